"""A partner's Dispatch Connect client in Python, from the protocol's facts and the standard library alone.

    connect_client.py <command> < orders.json      command: post, poll

The orders are one JSON object: `url`, `key`, `secret`; to post, `records` and optionally `message_id`; to poll,
`result` (as the language at hand writes it), `error`, and `until_empty`, for as many runs as it takes. It prints one JSON object. Whatever a strict client would
stumble over ends it with 1 and a sentence.
"""

import gzip
import hashlib
import hmac
import http.client
import json
import sys
from urllib.parse import urlsplit

BATCH = 10


class Stumbled(Exception):
    """What the other side did that this client does not understand."""


def call(orders, path, body, **headers):
    """The answer to one signed request, read as JSON: exactly 200, whatever else there may be."""
    place = urlsplit(orders["url"])
    signature = hmac.new(bytes.fromhex(orders["secret"]), body, hashlib.sha256).hexdigest()
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=30)
    try:
        sent = {"Content-Type": "application/json", "X-Dispatch-Key": orders["key"], "X-Dispatch-Signature": signature}
        connection.request("POST", path, body, {**sent, **headers})
        answer = connection.getresponse()
        if answer.status != 200:
            raise Stumbled(f"{path}: unauthorized ({answer.status} {answer.read().decode()})")
        return json.loads(answer.read())
    finally:
        connection.close()


def post(orders):
    """Compressed, and signed as compressed; nothing announces the compression."""
    body = gzip.compress(json.dumps(orders["records"]).encode())
    headers = {"RecordType": "job"}
    if "message_id" in orders:
        headers["MessageId"] = orders["message_id"]
    return call(orders, "/agent/in", body, **headers)


def poll(orders):
    """Takes and acknowledges, message by message, until less than a whole batch comes."""
    taken, acknowledged = [], []
    while True:
        messages = call(orders, "/agent/out", json.dumps({"maxNumberOfMessages": BATCH}).encode())
        if not isinstance(messages, list) or len(messages) > BATCH:
            raise Stumbled("an array of at most ten messages is expected")
        for message in messages:
            taken.append(read(message))
            acknowledged.append(acknowledge(orders, message["Message"]))
        if len(messages) < BATCH and not (messages and orders.get("until_empty")):
            return {"taken": taken, "acknowledged": acknowledged}


def read(element):
    """What a message puts, as the published samples reach for it."""
    message = element["Message"]
    request = message["Request"]
    for text in (message["ID"], message["Receipt"], request["ProcedureID"], request["Type"]):
        if not isinstance(text, str) or not text.isprintable() or set(text) & {'"', "\\"}:
            raise Stumbled("a printable text without quotes is expected")
    first = request["Payload"]["Actions"][0]
    if not isinstance(first["ID"], str) or len(first["Put"]) != 1:
        raise Stumbled("an action with an ID that puts one entity is expected")
    [(name, entity)] = first["Put"].items()
    if name == "job":
        read_job(entity)
    return {"id": message["ID"], "entity": name, "put": entity}


def read_job(job):
    """The members that clients with classes of their own read without looking whether they are there."""
    texts = [job["title"], job["status"], job["created_at"], job["updated_at"]]
    texts += [job["customer"]["first_name"], job["customer"]["last_name"], job["customer"]["phone_number"]]
    if not isinstance(job["id"], int) or not all(isinstance(text, str) for text in texts):
        raise Stumbled("a job with an integer id and texts is expected")
    for listed in (job["external_ids"], job["equipment_descriptions"]):
        if not isinstance(listed, list):
            raise Stumbled("a list is expected")
    if not isinstance(job["address"], dict) or not isinstance(job["custom_fields"], dict):
        raise Stumbled("an address and custom fields are expected")


def acknowledge(orders, message):
    """The JSON of it is put together by hand: what stands in `Error` is not escaped."""
    body = '{{"Receipt":"{}","ProcedureID":"{}","Result":"{}","Error":"{}"}}'.format(
        message["Receipt"], message["Request"]["ProcedureID"], orders.get("result", "success"), orders.get("error", "")
    )
    return call(orders, "/agent/ack", body.encode())


if __name__ == "__main__":
    try:
        done = {"post": post, "poll": poll}[sys.argv[1]](json.load(sys.stdin))
    except (Stumbled, KeyError, IndexError, TypeError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    print(json.dumps(done))
