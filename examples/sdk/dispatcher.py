"""An event dispatcher for the Optimizely Python SDK that spools into a queue:

    optimizely.Optimizely(datafile, event_dispatcher=SpoolingEventDispatcher("/var/spool/events"))
"""
import json
import os
import uuid


class SpoolingEventDispatcher:
    def __init__(self, base_dir):
        self.base_dir = base_dir
        for folder in ("tmp", "new", "cur", "defer", "doa", "res"):
            os.makedirs(os.path.join(base_dir, folder), mode=0o700, exist_ok=True)

    def dispatch_event(self, event):
        name = f"{uuid.uuid4()}.json"
        tmp, new = (os.path.join(self.base_dir, folder) for folder in ("tmp", "new"))
        with open(os.path.join(tmp, name), "x", encoding="utf-8") as file:
            json.dump({"url": event.url, "method": event.http_verb, "requestBody": event.params}, file)
            file.flush()
            os.fsync(file.fileno())
        os.rename(os.path.join(tmp, name), os.path.join(new, name))
        folder = os.open(new, os.O_RDONLY)  # the name is durable once its folder is synced
        os.fsync(folder)
        os.close(folder)
