"""What has to live on while parts of the cluster die: a pod that writes, the driver's volumes, the machine's loop devices."""

from __future__ import annotations

import re
import subprocess
from collections import Counter

from tests.fakes.patience import eventually
from tests.lab.kubernetes.kubectl import Kubectl
from tests.lab.kubernetes.objects import Object, claim, of_snapshot, pod, snapshot
from tests.lab.kubernetes.release import lab

HERE = "lab-node-1"
NODE_PODS = ("--selector", "app.kubernetes.io/component=node")
# A line with its number and the time (seconds) each; goes on where a container before it has ended.
WRITE = """touch log; n=$(wc -l <log)
(while :; do n=$((n+1)); echo $n $(date +%s) >>log; sync; sleep 0.1; done) & sleep 1"""
NO_GAP = "awk '$1 != NR { exit 1 }' log; [ $(wc -l <log) -gt 0 ]"
LONGEST = "{ if (NR > 1 && $2 - at > most) most = $2 - at; at = $2 } END { print most + 0 }"


def writing(name: str, *, anew: bool = False) -> list[Object]:
    """Give a claim, and a pod on HERE that writes into it all the time; `anew`: its container is started again when it ends."""
    made = pod(name, name, WRITE, must=HERE)
    if anew:
        made["spec"]["restartPolicy"] = "Always"
    return [claim(name), made]


def lines(kubectl: Kubectl, writer: str) -> int:
    """Give how many lines a pod has written; 0 while kubelet cannot be asked."""
    return int((kubectl.tried("exec", writer, "--", "wc", "-l", "/data/log") or "0").split()[0])


def goes_on(kubectl: Kubectl, writer: str, since: int, seconds: float = 90.0) -> None:
    """Wait until a pod has written more than it had."""
    eventually(lambda: lines(kubectl, writer) > since + 5, seconds=seconds, every=0.5)


def longest_silence(kubectl: Kubectl, writer: str) -> int:
    """Give the longest time (seconds) between two lines of a pod, of which none may be missing."""
    return int(kubectl("exec", writer, "--", "sh", "-ec", f"cd /data; {NO_GAP}; awk '{LONGEST}' log"))


def driver_on(driver: Kubectl, node: str) -> str:
    """Give the driver's pod on a node, once it is ready."""

    def ready() -> str:
        for each in driver.all("pods", *NODE_PODS, "--field-selector", f"spec.nodeName={node}"):
            conditions = {one["type"]: one["status"] for one in each["status"].get("conditions", ())}
            if conditions.get("Ready") == "True" and "deletionTimestamp" not in each["metadata"]:
                return str(each["metadata"]["name"])
        return ""

    return eventually(ready, seconds=120, every=0.5)


def metrics(driver: Kubectl, pod: str, port: int = 9810) -> str:
    """Give what a pod of the driver tells of itself."""
    ask = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{port}/metrics').read().decode())"
    return driver("exec", pod, "--container", "rokcsi", "--", "python3", "-c", ask)


def in_pools(driver: Kubectl) -> Counter[str]:
    """Count volumes and snapshots as the nodes' drivers tell them."""
    counted = Counter[str]()
    for each in driver.all("pods", *NODE_PODS):
        told = metrics(driver, each["metadata"]["name"])
        for kind, number in re.findall(r"^rokcsi_(volumes|snapshots) (\S+)$", told, re.MULTILINE):
            counted[kind] += int(float(number))
    return counted


def attached() -> int:
    """Count the loop devices of the nodes' pools and volumes."""
    return len(lab("loops").split())


def attached_twice() -> list[str]:
    """Give the files that more than one loop device of this machine is attached to."""
    command = ["losetup", "--list", "--noheadings", "--output", "BACK-MAJ:MIN,BACK-INO"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    return [file for file, times in Counter(told.splitlines()).items() if times > 1]


def restored(kubectl: Kubectl, source: str, name: str) -> None:
    """Take a snapshot, and run a pod on a clone of it that checks what was written."""
    kubectl.make(snapshot(name, source))
    kubectl.wait("jsonpath={.status.readyToUse}=true", f"volumesnapshot/{name}")
    kubectl.make(claim(name, of_snapshot(name)), pod(name, name, NO_GAP))
    kubectl.wait("condition=Ready", f"pod/{name}")
