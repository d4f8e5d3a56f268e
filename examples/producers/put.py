#!/usr/bin/env python3
"""Puts the event on standard input on a queue:  put.py BASE < event.json"""
import os
import sys
import uuid


def put(base: str, event: bytes) -> str:
    name = f"{uuid.uuid4()}.json"  # unique for ever
    with open(f"{base}/tmp/{name}", "xb") as file:
        file.write(event)
        file.flush()
        os.fsync(file.fileno())  # the bytes are on the disk ...
    os.link(f"{base}/tmp/{name}", f"{base}/new/{name}")  # ... before the name is there
    os.unlink(f"{base}/tmp/{name}")
    folder = os.open(f"{base}/new", os.O_RDONLY)
    os.fsync(folder)  # the name is on the disk too: from here on it is promised
    os.close(folder)
    return name


print(put(sys.argv[1], sys.stdin.buffer.read()))
