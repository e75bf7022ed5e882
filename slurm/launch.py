"""`accelerate launch` of emospeech on this node: a process for each GPU of the job, or the CPU where it has none.

    python slurm/launch.py COMMAND [ARGUMENT…]       as after `emospeech`

On a CPU it is one process, or EMOSPEECH_CPU_PROCESSES of them. As the step of a job on several nodes it runs once on
each; MASTER_ADDR and MASTER_PORT say where they meet. The exit code is emospeech's own; `accelerate launch` by itself
makes a 1 of every failure.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import NoReturn

import psutil
import torch
from accelerate.commands.launch import launch_command, launch_command_parser
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

GIVEN = "EMOSPEECH_JOB_GPUS"  # of the whole job on its first node, as slurm/common.sh knows it


def main(arguments: list[str]) -> int:
    options = [*launch_options(), "--module", "emospeech", *arguments]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, pass_on)
    os.environ["PET_SIGNALS_TO_HANDLE"] = "SIGQUIT"  # torchrun's own way: 30 s from SIGTERM to SIGKILL
    try:
        launch_command(launch_command_parser().parse_args(options))
    except subprocess.CalledProcessError as failure:  # one process
        return _exit_code(failure.returncode)
    except ChildFailedError as failure:  # several
        return _exit_code(failure.get_first_failure()[1].exitcode)
    except SignalException as stop:
        return 128 + stop.sigval
    return 0


def pass_on(number: int, frame: object) -> None:
    """To the processes of the training; this one waits until they have saved their work.

    Where Slurm tracks processes by cgroups it tells this one alone, else all of them, which then hear it twice.
    """
    children = psutil.Process().children()
    if not children:  # there is nothing to save yet
        sys.exit(128 + number)
    for child in children:
        with suppress(psutil.Error, ProcessLookupError):
            # of a terminal's Ctrl-C those of the same session know, and a second one would end them at once
            if number != signal.SIGINT or os.getsid(child.pid) != os.getsid(0):
                child.send_signal(number)


def launch_options() -> list[str]:
    """For `accelerate launch`: said in full, so that its defaults and a user's own settings of it change nothing."""
    nodes = int(os.environ.get("SLURM_NNODES", "1")) if "SLURM_STEP_ID" in os.environ else 1
    gpus = usable_gpus()
    processes = gpus or cpu_processes()
    threads = int(os.environ.get("SLURM_CPUS_ON_NODE", os.cpu_count() or 1)) // processes
    os.environ.setdefault("OMP_NUM_THREADS", str(max(threads, 1)))
    options = [f"--num_machines={nodes}", f"--num_processes={nodes * processes}", "--gpu_ids=all"]
    options += ["--mixed_precision=no", "--dynamo_backend=no"]  # the recipe decides the precision
    # port 0: any free one, so that jobs that share a node do not meet
    options += meeting_point() if nodes > 1 else ["--main_process_port=0"]
    if not gpus:
        os.environ["ACCELERATE_USE_CPU"] = "true"
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        if nodes == 1 or os.environ["MASTER_ADDR"].startswith("127."):
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # the host name of a node need not resolve
    if nodes * processes > 1:
        return [*options, "--multi_gpu"]  # accelerate's word for several processes, on a CPU too
    return options if gpus else [*options, "--cpu"]


def meeting_point() -> list[str]:
    """Where the nodes of a job find each other, and which of them this is."""
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        if not os.environ.get(name):
            fail(f"{name} is not set; slurm/multinode.sh sets it")
    address, port = os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]
    node = os.environ["SLURM_NODEID"]
    return [f"--machine_rank={node}", f"--main_process_ip={address}", f"--main_process_port={port}", "--same_network"]


def usable_gpus() -> int:
    """How many GPUs train: all that the job has, or none if its processes are to be on the CPU."""
    if os.environ.get("EMOSPEECH_CPU_PROCESSES"):
        return 0
    found, step, job = torch.cuda.device_count(), *(_number(name) for name in ("SLURM_GPUS_ON_NODE", GIVEN))
    node = os.environ.get("SLURMD_NODENAME", "this node")
    if job and not step:
        fail(f"this job has {job} GPUs, but its step on {node} none; ask for them, as sbatch --gpus-per-node={job}")
    if step and step != found:
        fail(
            f"this job has {step} GPUs on {node}, but torch {torch.__version__} finds {found}: install a torch for "
            "this node's driver (see nvidia-smi); of MIG, ask for one slice, as torch uses no more; or train on the "
            "CPU with EMOSPEECH_CPU_PROCESSES=1"
        )
    if found and not step and "SLURM_STEP_ID" in os.environ:
        print(f"warning: Slurm tells of no GPUs of this job; it takes all {found} of {node}", file=sys.stderr)
    if not found:
        print(f"warning: torch {torch.__version__} finds no GPU here; this runs on the CPU", file=sys.stderr)
    return found


def _number(name: str) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else 0


def cpu_processes() -> int:
    wanted = os.environ.get("EMOSPEECH_CPU_PROCESSES") or "1"
    if not wanted.isdecimal() or int(wanted) < 1:
        fail(f"EMOSPEECH_CPU_PROCESSES is {wanted!r}; it must be a whole number from 1 up")
    return int(wanted)


def fail(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)


def _exit_code(code: int) -> int:
    """A death by signal as a shell says it."""
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
