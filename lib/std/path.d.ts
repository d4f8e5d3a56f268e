/** Types for the functions of `@std/path` that tools and tests use. */
export function basename(path: string, suffix?: string): string;
export function dirname(path: string): string;
export function fromFileUrl(url: string | URL): string;
export function isAbsolute(path: string): boolean;
export function join(path: string, ...paths: readonly string[]): string;
export function relative(from: string, to: string): string;
export function resolve(...paths: readonly string[]): string;
export function toFileUrl(path: string): URL;
