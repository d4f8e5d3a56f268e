/**
 * Certificates for tests, made by the system's `openssl`.
 *
 * @module
 */

/** Whether a program is there. */
export function isInstalled(program: string): boolean {
  try {
    return new Deno.Command("sh", { args: ["-c", `command -v ${program}`], stdout: "null" })
      .outputSync().success;
  } catch {
    return false;
  }
}

/** A certificate and its key, as PEM, and the files they are in. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
  readonly certFile: string;
  readonly keyFile: string;
}

async function openssl(dir: string, ...args: string[]): Promise<void> {
  const command = new Deno.Command("openssl", { args, cwd: dir, stdout: "null", stderr: "piped" });
  const { success, stderr } = await command.output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** An authority in a folder of its own. */
export class Authority {
  readonly #dir: string;
  readonly #name: string;

  private constructor(dir: string, name: string) {
    this.#dir = dir;
    this.#name = name;
  }

  /** Make one. */
  static async make(dir: string, name: string): Promise<Authority> {
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    await openssl(
      dir,
      ...["req", "-x509", ...key, "-keyout", `${name}.key`, "-out", `${name}.pem`, "-days", "30"],
      ...["-subj", `/CN=${name}`],
    );
    return new Authority(dir, name);
  }

  /** Its own certificate, as PEM. */
  get cert(): string {
    return Deno.readTextFileSync(this.certFile);
  }

  get certFile(): string {
    return `${this.#dir}/${this.#name}.pem`;
  }

  /** A certificate for a name, or an address such as `IP:127.0.0.1`; good until `until`. */
  async issue(name: string, subject = "DNS:localhost", until?: string): Promise<Pair> {
    const dir = this.#dir;
    await Deno.writeTextFile(
      `${dir}/${name}.ext`,
      `subjectAltName=${subject}\nextendedKeyUsage=serverAuth,clientAuth\n`,
    );
    await openssl(
      dir,
      ...["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
      ...["-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`],
    );
    if (until === undefined) {
      await openssl(
        dir,
        ...["x509", "-req", "-in", `${name}.csr`, "-CA", `${this.#name}.pem`],
        ...["-CAkey", `${this.#name}.key`, "-CAcreateserial", "-out", `${name}.pem`],
        ...["-days", "30", "-extfile", `${name}.ext`],
      );
    } else {
      await Deno.writeTextFile(`${dir}/index.txt`, "");
      await Deno.writeTextFile(
        `${dir}/ca.cnf`,
        "[ca]\ndefault_ca=a\n[a]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\n" +
          "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n",
      );
      await openssl(
        dir,
        ...["ca", "-batch", "-config", "ca.cnf", "-in", `${name}.csr`, "-out", `${name}.pem`],
        ...["-cert", `${this.#name}.pem`, "-keyfile", `${this.#name}.key`, "-notext"],
        ...["-startdate", "20200101000000Z", "-enddate", until, "-extfile", `${name}.ext`],
      );
    }
    const [certFile, keyFile] = [`${dir}/${name}.pem`, `${dir}/${name}.key`];
    const [cert, key] = [Deno.readTextFileSync(certFile), Deno.readTextFileSync(keyFile)];
    return { cert, key, certFile, keyFile };
  }
}
