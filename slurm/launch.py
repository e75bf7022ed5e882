"""`accelerate launch` of emospeech on this node: a process for each GPU of the job, or the CPU where it has none.

    python slurm/launch.py COMMAND [ARGUMENT…]       as after `emospeech`

On a CPU it is one process, or EMOSPEECH_CPU_PROCESSES of them. The exit code is emospeech's own; `accelerate launch`
by itself makes a 1 of every failure.
"""

import os
import signal
import subprocess
import sys

import torch
from accelerate.commands.launch import launch_command, launch_command_parser
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["train"] and int(os.environ.get("SLURM_RESTART_COUNT", "0")):
        print("this job has been requeued: it goes on with --resume", file=sys.stderr)
        arguments = [word for word in arguments if word not in ("--resume", "--overwrite")] + ["--resume"]
    options = [*launch_options(), "--module", "emospeech", *arguments]
    # Slurm tells every process of a job to stop; this one then waits until the others have saved their work
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    try:
        launch_command(launch_command_parser().parse_args(options))
    except subprocess.CalledProcessError as failure:  # one process
        return _exit_code(failure.returncode)
    except ChildFailedError as failure:  # several
        return _exit_code(failure.get_first_failure()[1].exitcode)
    except SignalException as stop:
        return 128 + stop.sigval
    return 0


def launch_options() -> list[str]:
    """For `accelerate launch`: said in full, so that its defaults and a user's own settings of it change nothing."""
    gpus = torch.cuda.device_count()
    processes = gpus or cpu_processes()
    threads = int(os.environ.get("SLURM_CPUS_ON_NODE", os.cpu_count() or 1)) // processes
    os.environ.setdefault("OMP_NUM_THREADS", str(max(threads, 1)))
    # port 0: any free one, so that jobs that share a node do not meet
    options = ["--num_machines=1", f"--num_processes={processes}", "--main_process_port=0", "--gpu_ids=all"]
    options += ["--mixed_precision=no", "--dynamo_backend=no"]  # the recipe decides the precision
    if not gpus:
        given = os.environ.get("SLURM_GPUS_ON_NODE", "0")
        what = f"cannot use the {given} GPUs of this job" if given != "0" else "finds no GPU here"
        print(f"warning: torch {torch.__version__} {what}; training on the CPU ({processes=})", file=sys.stderr)
        os.environ["ACCELERATE_USE_CPU"] = "true"
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # the host name of a node need not resolve
    if processes > 1:
        return [*options, "--multi_gpu"]  # accelerate's word for several processes on one node, on a CPU too
    return options if gpus else [*options, "--cpu"]


def cpu_processes() -> int:
    wanted = os.environ.get("EMOSPEECH_CPU_PROCESSES", "1")
    if not wanted.isdecimal() or int(wanted) < 1:
        print(f"error: EMOSPEECH_CPU_PROCESSES is {wanted!r}; it must be a whole number from 1 up", file=sys.stderr)
        sys.exit(2)
    return int(wanted)


def _exit_code(code: int) -> int:
    """A death by signal as a shell says it."""
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
