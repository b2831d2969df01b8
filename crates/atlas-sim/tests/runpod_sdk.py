"""RunPod's own Python package (1.12.0), unmodified, against the simulated RunPod: `runpod_sdk.py KEY ENDPOINT_ID`, with
RUNPOD_API_BASE_URL and RUNPOD_ENDPOINT_BASE_URL set. Says "all held" and exits 0 if everything is as it should be."""

import sys
import time

import runpod
from runpod.error import AuthenticationError, QueryError

key, endpoint_id = sys.argv[1:]
runpod.api_key = key


def until(what, wanted, patience=20):
    deadline = time.monotonic() + patience
    while not wanted(got := what()):
        assert time.monotonic() < deadline, got
        time.sleep(0.2)
    return got


# The account and the catalog.
assert runpod.get_user()["id"] == "user_main"
assert len(runpod.get_gpus()) > 40
gpu = runpod.get_gpu("NVIDIA L4")
assert gpu["memoryInGb"] == 24 and gpu["lowestPrice"]["uninterruptablePrice"] > 0, gpu

# A pod's life.
pod = runpod.create_pod(
    "sdk", "runpod/stack", "NVIDIA L4", ports="8000/http,22/tcp", env={"A": "1"}, volume_in_gb=20, container_disk_in_gb=10
)
assert pod["env"] == ["A=1"], pod
up = until(lambda: runpod.get_pod(pod["id"]), lambda pod: pod["runtime"])
assert up["desiredStatus"] == "RUNNING" and up["runtime"]["ports"][0]["privatePort"] == 22, up
assert [pod["name"] for pod in runpod.get_pods()] == ["sdk"]
assert runpod.stop_pod(pod["id"])["desiredStatus"] == "EXITED"
assert runpod.resume_pod(pod["id"], 1)["desiredStatus"] == "RUNNING"
runpod.terminate_pod(pod["id"])
until(lambda: runpod.get_pod(pod["id"]), lambda pod: pod is None)

cpu = runpod.create_pod("sdk-cpu", "python:3.11-slim", instance_id="cpu3c-2-4")
runpod.terminate_pod(cpu["id"])

# What an account owns beside pods.
template = runpod.create_template("sdk-template", "image:1", is_serverless=True, env={"A": "1"})
registry = runpod.create_container_registry_auth("sdk-registry", "user", "password")
runpod.update_container_registry_auth(registry["id"], "user", "other")
runpod.delete_container_registry_auth(registry["id"])
made = runpod.create_endpoint("sdk-endpoint", template["id"], gpu_ids="AMPERE_16")
assert made["id"] in [known["id"] for known in runpod.get_endpoints()]
assert runpod.update_user_settings("ssh-ed25519 AAAA me")["pubKey"] == "ssh-ed25519 AAAA me"

# Jobs.
endpoint = runpod.Endpoint(endpoint_id)
assert endpoint.run_sync({"seconds": 0.5, "echo": "hello"}) == "hello"
job = endpoint.run({"seconds": 2, "chunks": 4})
assert [piece["index"] for piece in job.stream()] == [0, 1, 2, 3]
assert job.status() == "COMPLETED" and len(job.output()) == 4
failed = endpoint.run({"fail": "boom"})
assert failed.output() is None and failed.status() == "FAILED"
long = endpoint.run({"seconds": 600})
assert long.cancel()["status"] == "CANCELLED" and long.status() == "CANCELLED"
assert list(long.stream()) == [], "a stream that was cancelled ends"
assert endpoint.health()["jobs"]["completed"] >= 2
assert endpoint.purge_queue()["status"] == "completed"

# Errors.
try:
    runpod.create_pod("sdk", "image", "NVIDIA L5")
    raise AssertionError("there is no such GPU")
except ValueError:
    pass
try:
    runpod.terminate_pod("nobody")
    raise AssertionError("there is no such pod")
except QueryError as error:
    assert str(error) == "pod not found to terminate", error
runpod.api_key = "rpa_wrong"
for attempt, wanted in ((runpod.get_pods, AuthenticationError), (lambda: runpod.Endpoint(endpoint_id).health(), RuntimeError)):
    try:
        attempt()
        raise AssertionError("the key is wrong")
    except wanted:
        pass

print("all held")
