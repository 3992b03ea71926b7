"""Drives a kernel with Jupyter's own client: for each line on standard input, executes `1`, and prints the seconds that it took."""

import sys
import time

from jupyter_client.manager import KernelManager

manager = KernelManager(transport="ipc")
since = time.perf_counter()
manager.start_kernel()
client = manager.client()
client.start_channels()
client.wait_for_ready(timeout=60)


def run():
    request = client.execute("1", store_history=False)
    while True:
        message = client.get_iopub_msg(timeout=60)
        is_own = message["parent_header"].get("msg_id") == request
        if is_own and message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            break
    while client.get_shell_msg(timeout=60)["parent_header"].get("msg_id") != request:
        pass


run()
print(time.perf_counter() - since, flush=True)
for _ in sys.stdin:
    since = time.perf_counter()
    run()
    print(time.perf_counter() - since, flush=True)
manager.shutdown_kernel(now=True)
