<?php
/**
 * An event dispatcher for the Optimizely PHP SDK that spools into a queue:
 *
 *     new Optimizely\Optimizely($datafile, new SpoolingEventDispatcher('/var/spool/events'));
 */
use Optimizely\Event\Dispatcher\EventDispatcherInterface;
use Optimizely\Event\LogEvent;

final class SpoolingEventDispatcher implements EventDispatcherInterface
{
    public function __construct(private string $baseDir)
    {
        foreach (['tmp', 'new', 'cur', 'defer', 'doa', 'res'] as $folder) {
            @mkdir("$baseDir/$folder", 0700, true);
        }
    }

    public function dispatchEvent(LogEvent $event)
    {
        $name = bin2hex(random_bytes(16)) . '.json';
        $flags = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_PRESERVE_ZERO_FRACTION | JSON_THROW_ON_ERROR;
        $text = json_encode([
            'url' => $event->getUrl(), 'method' => $event->getHttpVerb(), 'requestBody' => $event->getParams(),
        ], $flags);
        $file = fopen("{$this->baseDir}/tmp/$name", 'x');
        if (!$file || fwrite($file, $text) !== strlen($text) || !fsync($file) || !fclose($file)
            || !rename("{$this->baseDir}/tmp/$name", "{$this->baseDir}/new/$name")) {
            throw new RuntimeException('The event is not on the queue'); // PHP can't sync a folder: see the README
        }
    }
}
