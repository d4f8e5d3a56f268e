<?php
// Puts the event on standard input on a queue:  php put.php BASE < event.json     (PHP 8.1)
declare(strict_types=1);

function put(string $base, string $event): string
{
    $name = bin2hex(random_bytes(16)) . '.json'; // unique for ever
    $file = fopen("$base/tmp/$name", 'x');
    if (!$file || fwrite($file, $event) !== strlen($event) || !fsync($file)) {
        throw new RuntimeException("can't write to $base/tmp"); // not promised
    }
    fclose($file); // the bytes are on the disk before the name is there
    if (!link("$base/tmp/$name", "$base/new/$name")) {
        throw new RuntimeException("can't link into $base/new");
    }
    unlink("$base/tmp/$name");
    $folder = fopen("$base/new", 'r');
    if (!fsync($folder)) {
        throw new RuntimeException("can't sync $base/new");
    }
    fclose($folder);
    return $name; // the name is on the disk too: from here on the event is promised
}

echo put($argv[1], stream_get_contents(STDIN)), "\n";
