"""RunPod's own Python package (1.12.0), unmodified, against the simulated RunPod: `runpod_sdk.py KEY ENDPOINT_ID`, with
RUNPOD_API_BASE_URL and RUNPOD_ENDPOINT_BASE_URL set. Says "all held" and exits 0 if everything is as it should be."""

import asyncio
import os
import sys
import time

import requests
import runpod
from click.testing import CliRunner
from runpod.cli.groups.pod.commands import pod_cli
from runpod.cli.groups.ssh.functions import get_user_pub_keys
from runpod.error import AuthenticationError, QueryError
from runpod.http_client import AsyncClientSession

key, endpoint_id = sys.argv[1:]
origin = os.environ["RUNPOD_API_BASE_URL"]
CAPACITY = "There are no longer any instances available with the requested specifications. Please refresh and try again."


SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBz9+Y0PUN0hl0q5QhY3mYv5rBpmzKJXjQoEJjhkkSdF me"


def until(what, wanted, patience=60):
    deadline = time.monotonic() + patience
    while not wanted(got := what()):
        assert time.monotonic() < deadline, got
        time.sleep(0.2)
    return got


def fails(kind, attempt, said=""):
    """The attempt must raise an error of this kind which says so."""
    try:
        got = attempt()
    except kind as error:
        assert said in str(error), error
        return
    raise AssertionError(f"{got!r} instead of {kind.__name__}: {said}")


def outside(method, path, body=None):
    """What the package has no call for: REST v2, and the simulator's own API."""
    answer = requests.request(method, origin + path, json=body, headers={"Authorization": f"Bearer {key}"}, timeout=30)
    assert answer.ok, answer.text
    return answer.json() if answer.content else None


def account_and_catalog():
    assert runpod.get_user()["id"] == "user_main"
    assert runpod.get_user(api_key=key)["networkVolumes"] == []
    assert len(runpod.get_gpus()) > 40
    gpu = runpod.get_gpu("NVIDIA L4")
    assert gpu["memoryInGb"] == 24 and gpu["lowestPrice"]["uninterruptablePrice"] > 0, gpu
    assert runpod.get_gpu("NVIDIA L4", gpu_quantity=2)["id"] == "NVIDIA L4"
    assert runpod.update_user_settings(SSH_KEY)["pubKey"] == SSH_KEY
    assert [known["name"] for known in get_user_pub_keys()] == ["me"]
    fails(ValueError, lambda: runpod.get_gpu("NVIDIA L5"), "No GPU found")


def life_of_a_pod():
    pod = runpod.create_pod(
        "sdk", "runpod/stack", "NVIDIA L4", ports="8000/http,22/tcp", env={"A": "1"}, volume_in_gb=20, container_disk_in_gb=10
    )
    assert pod["env"] == ["A=1", f"PUBLIC_KEY={SSH_KEY}"] and pod["machine"]["podHostId"].startswith(pod["id"]), pod
    up = until(lambda: runpod.get_pod(pod["id"]), lambda pod: pod["runtime"])
    assert up["desiredStatus"] == "RUNNING" and up["runtime"]["ports"][0]["privatePort"] == 22, up
    assert (up["volumeInGb"], up["containerDiskInGb"], up["gpuCount"]) == (20, 10, 1), up
    assert [pod["name"] for pod in runpod.get_pods()] == ["sdk"]
    assert runpod.stop_pod(pod["id"])["desiredStatus"] == "EXITED"
    assert [pod["costPerHr"] for pod in runpod.get_pods()] == [0]
    assert runpod.resume_pod(pod["id"], 1)["desiredStatus"] == "RUNNING"
    runpod.terminate_pod(pod["id"])
    until(lambda: runpod.get_pod(pod["id"]), lambda pod: pod is None)
    assert runpod.get_pods() == []
    for attempt, verb in ((runpod.stop_pod, "stop"), (lambda id: runpod.resume_pod(id, 1), "resume"), (runpod.terminate_pod, "terminate")):
        fails(QueryError, lambda: attempt(pod["id"]), f"pod not found to {verb}")


def kinds_of_pods():
    def made(*args, **options):
        pod = runpod.create_pod(*args, **options)
        shown = runpod.get_pod(pod["id"])
        runpod.terminate_pod(pod["id"])
        return shown

    cpu = made("sdk-cpu", "python:3.11-slim", instance_id="cpu3c-2-4")
    assert (cpu["gpuCount"], cpu["vcpuCount"]) == (0, 2), cpu
    two = made("sdk-two", "image:1", "NVIDIA L4", gpu_count=2, cloud_type="SECURE", data_center_id="EU-RO-1", docker_args="sleep 1")
    assert (two["gpuCount"], two["dockerArgs"], two["machine"]["gpuDisplayName"]) == (2, "sleep 1", "L4"), two
    cuda = made("sdk-cuda", "image:1", "NVIDIA L4", allowed_cuda_versions=["12.8"], min_memory_in_gb=16, min_vcpu_count=4, support_public_ip=False)
    assert cuda["memoryInGb"] >= 16, cuda
    template = runpod.create_template("sdk-pods", "ghcr.io/me/app:2", env={"A": "1", "B": "2"}, ports="8000/http", container_disk_in_gb=30)
    from_template = made("sdk-template", gpu_type_id="NVIDIA L4", template_id=template["id"], env={"B": "3"}, start_ssh=False)
    assert (from_template["imageName"], from_template["ports"]) == ("ghcr.io/me/app:2", "8000/http"), from_template
    assert sorted(from_template["env"]) == ["A=1", "B=3"], from_template
    volume = outside("POST", "/v2/network-volumes", {"name": "sdk-data", "size": 10, "dataCenter": "EU-RO-1"})
    assert runpod.get_user()["networkVolumes"] == [{"id": volume["id"], "name": "sdk-data", "size": 10, "dataCenterId": "EU-RO-1"}]
    mounted = made("sdk-volume", "image:1", "NVIDIA L4", network_volume_id=volume["id"], volume_mount_path="/data")
    assert mounted["volumeMountPath"] == "/data", mounted
    outside("DELETE", f"/v2/network-volumes/{volume['id']}")
    fails(ValueError, lambda: runpod.create_pod("sdk", "", "NVIDIA L4"), "Either image_name or template_id")
    fails(ValueError, lambda: runpod.create_pod("sdk", "image", "NVIDIA L5"), "No GPU found")
    fails(QueryError, lambda: runpod.create_pod("sdk", gpu_type_id="NVIDIA L4", template_id="nothing"), "template not found")
    outside("POST", "/admin/stock", {"gpu": "NVIDIA L4", "count": 0})
    fails(QueryError, lambda: runpod.create_pod("sdk", "image", "NVIDIA L4"), CAPACITY)
    outside("DELETE", "/admin/stock")


def templates_registries_endpoints():
    registry = runpod.create_container_registry_auth("sdk-registry", "user", "password")
    assert registry["name"] == "sdk-registry", registry
    template = runpod.create_template(
        "sdk-template", "image:1", is_serverless=True, env={"A": "1"}, docker_start_cmd='python -c "print(1)"', registry_auth_id=registry["id"]
    )
    assert template["isServerless"] and template["env"] == [{"key": "A", "value": "1"}], template
    assert template["dockerArgs"] == 'python -c "print(1)"', template
    assert runpod.update_container_registry_auth(registry["id"], "user", "other")["id"] == registry["id"]
    runpod.delete_container_registry_auth(registry["id"])
    fails(QueryError, lambda: runpod.delete_container_registry_auth(registry["id"]), "Registry auth not found")
    fails(QueryError, lambda: runpod.update_container_registry_auth(registry["id"], "user", "other"), "Registry auth not found")
    volume = outside("POST", "/v2/network-volumes", {"name": "sdk-models", "size": 10, "dataCenter": "EU-RO-1"})
    made = runpod.create_endpoint(
        "sdk-endpoint", template["id"], gpu_ids="AMPERE_24,ADA_24", locations="EU-RO-1", workers_max=2, gpu_count=2, idle_timeout=7,
        scaler_type="REQUEST_COUNT", scaler_value=3, flashboot=True, network_volume_id=volume["id"], allowed_cuda_versions="12.8",
    )
    wanted = {
        "name": "sdk-endpoint", "templateId": template["id"], "gpuIds": "AMPERE_24,ADA_24", "locations": "EU-RO-1", "workersMin": 0,
        "workersMax": 2, "gpuCount": 2, "idleTimeout": 7, "scalerType": "REQUEST_COUNT", "scalerValue": 3, "flashBootType": "FLASHBOOT",
        "networkVolumeId": volume["id"], "allowedCudaVersions": "12.8",
    }
    assert {name: made[name] for name in wanted} == wanted, made
    known = {known["id"]: known for known in runpod.get_endpoints()}[made["id"]]
    assert known["networkVolume"]["dataCenterId"] == "EU-RO-1" and known["env"] == [{"key": "A", "value": "1"}], known
    in_rest = outside("GET", f"/v2/serverless/{made['id']}")
    assert (in_rest["networkVolumes"], in_rest["flashboot"], in_rest["image"]) == ([volume["id"]], "FLASHBOOT", "image:1"), in_rest
    other = runpod.create_template("sdk-other", "image:2", is_serverless=True)
    assert runpod.update_endpoint_template(made["id"], other["id"]) == {"id": made["id"], "templateId": other["id"]}
    assert outside("GET", f"/v2/serverless/{made['id']}")["image"] == "image:2"
    assert runpod.Endpoint(made["id"]).run_sync({"echo": 5}) == 5
    fails(QueryError, lambda: runpod.create_endpoint("sdk", "nothing"), "template not found")
    fails(QueryError, lambda: runpod.update_endpoint_template(made["id"], "nothing"), "template not found")
    fails(QueryError, lambda: runpod.update_endpoint_template("nothing", other["id"]), "endpoint not found")
    outside("DELETE", f"/v2/serverless/{made['id']}")
    outside("DELETE", f"/v2/network-volumes/{volume['id']}")


def jobs():
    endpoint = runpod.Endpoint(endpoint_id)
    assert endpoint.run_sync({"seconds": 0.5, "echo": "hello"}) == "hello"
    assert endpoint.run_sync({"input": {"echo": "wrapped"}}) == "wrapped"
    assert endpoint.run_sync({"fail": "boom"}) is None
    job = endpoint.run({"seconds": 2, "chunks": 4})
    assert [piece["index"] for piece in job.stream()] == [0, 1, 2, 3]
    assert job.status() == "COMPLETED" and len(job.output()) == 4
    assert endpoint.run({"seconds": 0.2, "echo": 7}).output(timeout=60) == 7
    failed = endpoint.run({"fail": "boom"})
    assert failed.output() is None and failed.status() == "FAILED"
    long = endpoint.run({"seconds": 600})
    assert long.status() in ("IN_QUEUE", "IN_PROGRESS")
    fails(TimeoutError, lambda: long.output(timeout=1))
    assert long.cancel()["status"] == "CANCELLED" and long.status() == "CANCELLED"
    assert list(long.stream()) == [], "a stream that was cancelled ends"
    assert endpoint.health()["jobs"]["completed"] >= 2
    assert endpoint.purge_queue()["status"] == "completed"
    long.job_id, long.job_status = "nothing", None
    for attempt in (long.status, long.cancel, runpod.Endpoint("nothing").health, lambda: runpod.Endpoint("nothing").run({"echo": 1})):
        fails(requests.HTTPError, attempt, "404")


async def jobs_at_once():
    async with AsyncClientSession() as session:
        endpoint = runpod.AsyncioEndpoint(endpoint_id, session)
        done, cut = await asyncio.gather(endpoint.run({"echo": "async", "seconds": 0.2}), endpoint.run({"seconds": 600}))
        assert await done.output(timeout=60) == "async" and await done.status() == "COMPLETED"
        streamed = await endpoint.run({"seconds": 1, "chunks": 2})
        assert [piece["index"] async for piece in streamed.stream()] == [0, 1]
        assert (await cut.cancel())["status"] == "CANCELLED" and await cut.status() == "CANCELLED"
        assert (await endpoint.health())["workers"]["running"] >= 0
        assert (await endpoint.purge_queue())["status"] == "completed"


def command_line():
    """`runpod pod …`, the package's own program."""
    def said(*words, typed=""):
        ended = CliRunner().invoke(pod_cli, words, input=typed)
        assert ended.exit_code == 0, (ended.output, ended.exception)
        return ended.output

    assert "has been created" in said("create", "sdk-line", typed="y\n")
    [pod] = [pod for pod in runpod.get_pods() if pod["name"] == "sdk-line"]
    assert pod["id"] in (listed := said("list")) and "sdk-line" in listed, listed
    runpod.terminate_pod(pod["id"])


def keys():
    outside("POST", "/admin/keys", {"key": "rpa_theirs", "account": "theirs"})
    outside("POST", "/admin/keys", {"key": "rpa_reads", "reach": "read-only"})
    mine = runpod.create_pod("sdk-mine", "image:1", "NVIDIA L4")
    assert runpod.get_pods(api_key="rpa_theirs") == [] and runpod.get_user(api_key="rpa_theirs")["id"] == "user_theirs"
    assert runpod.get_pod(mine["id"], api_key="rpa_theirs") is None
    fails(requests.HTTPError, lambda: runpod.Endpoint(endpoint_id, api_key="rpa_theirs").run({"echo": 1}), "404")
    for key_of_another, said in (("rpa_theirs", "pod not found to terminate"), ("rpa_reads", "Unauthorized")):
        runpod.api_key = key_of_another
        fails(QueryError, lambda: runpod.terminate_pod(mine["id"]), said)
    assert mine["id"] in [pod["id"] for pod in runpod.get_pods(api_key="rpa_reads")]
    fails(RuntimeError, lambda: runpod.Endpoint(endpoint_id).run({"echo": 1}))
    runpod.api_key = key
    runpod.terminate_pod(mine["id"])
    runpod.api_key = "rpa_wrong"
    fails(AuthenticationError, runpod.get_pods, "Unauthorized")
    fails(RuntimeError, lambda: runpod.Endpoint(endpoint_id).health())
    runpod.api_key = None
    fails(AuthenticationError, runpod.get_pods, "No API key provided")
    fails(RuntimeError, lambda: runpod.Endpoint(endpoint_id))


runpod.api_key = key
account_and_catalog()
life_of_a_pod()
kinds_of_pods()
templates_registries_endpoints()
jobs()
asyncio.run(jobs_at_once())
command_line()
keys()
print("all held")
