"""Every kind of call of RunPod's REST v2, through Prism or without it: `runpod_rest.py BASE_URL KEY`, where BASE_URL ends in /v2.
Prints each call that broke the description and exits 1 if one did. Needs nothing but Python."""

import json
import sys
import time
import urllib.error
import urllib.request

base, key = sys.argv[1:]
broken = 0
calls = 0


def call(method, path, body=None):
    global broken, calls
    calls += 1
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "User-Agent": "atlas-xtask"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, method=method, data=data, headers=headers)
    try:
        answer = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    text = answer.read().decode()
    violations = answer.headers.get("sl-violations")
    if violations or answer.status >= 500:
        broken += 1
        print(f"{method} {path}: {answer.status}: {violations or text}")
    return json.loads(text) if text else {}


pod = {
    "name": "one", "image": "ghcr.io/me/app:1", "cloud": "SECURE", "gpu": {"id": "NVIDIA L4"}, "disk": 40, "cmd": ["serve"],
    "ports": ["8000/http", "22/tcp"], "env": {"A": "b"}, "mounts": {"persistent": {"size": 10, "path": "/workspace"}},
}
one = "/pods/" + call("POST", "/pods", pod)["id"]
call("GET", one)
call("GET", "/pods?limit=1")
deadline = time.monotonic() + 30
while call("GET", one).get("runtime") is None and time.monotonic() < deadline:
    time.sleep(0.2)
call("PATCH", one, {"name": "two", "env": {"B": "c"}})
for action in ("stop", "stop", "start", "restart"):
    call("POST", one + "/action", {"action": action})
cpu = call("POST", "/pods", {"name": "cpu", "image": "i", "cpu": {"id": "cpu3c", "vcpuCount": 2}, "disk": 10})
call("DELETE", "/pods/" + cpu["id"])
call("POST", "/pods", {**pod, "gpu": {"id": "none"}})
call("GET", "/pods/none")

template = {"name": "t", "image": "i", "mounts": {"persistent": {"size": 10, "path": "/w"}}, "env": {"a": "b"}}
registry = {"name": "r", "username": "u", "password": "p"}
volume = {"name": "v", "size": 10, "dataCenter": "EU-RO-1"}
queue = {
    "name": "e", "type": "QUEUE", "image": "i", "gpu": {"pools": ["ADA_24"]}, "timeout": 60000,
    "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4}, "workers": {"min": 1, "max": 2, "idleTimeout": 5},
}
balancer = {
    "name": "b", "type": "LOAD_BALANCER", "image": "i", "cpu": [{"id": "cpu5c", "vcpuCount": 4}],
    "scaling": {"type": "REQUEST_COUNT", "requestCount": 4},
}
for kind, body, change in (
    ("/templates", template, {"name": "u"}),
    ("/registries", registry, None),
    ("/network-volumes", volume, {"size": 20}),
    ("/serverless", queue, {"workers": {"min": 0, "max": 4, "idleTimeout": 5}}),
    ("/serverless", balancer, None),
):
    made = f"{kind}/" + call("POST", kind, body)["id"]
    call("GET", kind)
    call("GET", made)
    if change:
        call("PATCH", made, change)
    if body is queue:
        call("GET", made + "/workers")
        call("GET", made + "/releases")
    call("DELETE", made)
    call("GET", made)

for path in (
    "gpus", "gpus?include=AVAILABILITY&product=POD&cloud=SECURE&count=2", "gpus/NVIDIA%20L4?include=AVAILABILITY&product=POD",
    "cpus", "cpus?include=AVAILABILITY&product=POD", "cpus/cpu3c", "datacenters",
    "datacenters?include=GPU_AVAILABILITY,CPU_AVAILABILITY", "datacenters/EU-RO-1", "templates",
):
    call("GET", "/catalog/" + path)
for path in ("", "/pods", "/pods?bucketSize=hour&lastN=3", "/serverless", "/network-volumes", "/endpoints", "/clusters"):
    call("GET", "/billing" + path)
call("PUT", "/account/ssh-keys", {"keys": ["ssh-ed25519 AAAA me"]})
call("GET", "/account/ssh-keys")
call("DELETE", one)

print(f"{calls} calls, {broken} broke the description")
sys.exit(1 if broken else 0)
