#!/bin/bash
# cluster.sh start|stop DIR: a real Slurm on this one host, for the tests.
#
# Two nodes of two CPUs and two fake GPUs each (jobs get CUDA_VISIBLE_DEVICES, and no device behind it), without
# systemd, cgroups or accounting. After `start`:  export SLURM_CONF=DIR/slurm.conf. DIR is a folder with a short name,
# since sockets lie in it. Needs the Debian packages slurm-wlm and munge.
set -euo pipefail

NODES=(n1 n2)
usage() { echo "usage: $0 start|stop DIR" >&2; exit 2; }

configure() {
    local ports
    # three ports that nobody listens on: slurmctld, one slurmd, the other
    read -ra ports < <(python3 -c '
import socket
taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
print(*(s.getsockname()[1] for s in taken))')
    cat > "$dir/slurm.conf" <<CONF
ClusterName=emospeech
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
# a requeued job waits until its old credential has expired; the default is two minutes
AuthInfo=socket=$dir/munge.socket,cred_expire=5
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool-%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd-%n.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
# believe what is written below, whatever this host has
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=2
JobRequeue=1
ReturnToService=2
MinJobAge=3600
# a node that does not answer so long is down, and its jobs go back into the queue
SlurmdTimeout=20
KillWait=5
GresTypes=gpu
NodeName=${NODES[0]} NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=${ports[1]} CPUs=2 RealMemory=4000 Gres=gpu:2
NodeName=${NODES[1]} NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=${ports[2]} CPUs=2 RealMemory=4000 Gres=gpu:2
# a job of urgent takes the place of one of main, which has ten seconds to leave and goes back into the queue, or of one
# of low, which has none but KillWait
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE PriorityTier=1 GraceTime=10
PartitionName=low Nodes=ALL MaxTime=INFINITE PriorityTier=1 GraceTime=0
PartitionName=urgent Nodes=ALL MaxTime=INFINITE PriorityTier=2 PreemptMode=OFF
CONF
    echo "NodeName=n[1-2] Name=gpu File=$dir/nvidia[0-1]" > "$dir/gres.conf"
    for i in 0 1; do mknod "$dir/nvidia$i" c 195 "$i" 2> /dev/null || touch "$dir/nvidia$i"; done
}

start() {
    mkdir -p "$dir" "$dir/state" "${NODES[@]/#/$dir/spool-}"
    chmod 755 "$dir"
    configure
    (umask 077 && head -c 128 /dev/urandom > "$dir/munge.key")
    munged --force --socket="$dir/munge.socket" --key-file="$dir/munge.key" --pid-file="$dir/munged.pid" \
        --log-file="$dir/munged.log" --seed-file="$dir/munge.seed"
    slurmctld -f "$SLURM_CONF"
    for node in "${NODES[@]}"; do slurmd -f "$SLURM_CONF" -N "$node"; done
    for _ in {1..300}; do
        [ "$(sinfo -h -N -p main -o %T 2> /dev/null | grep -c -x idle)" = "${#NODES[@]}" ] && { sinfo; return; }
        sleep 0.2
    done
    echo "the nodes did not come up within a minute:" >&2
    tail -n 20 "$dir"/*.log >&2
    return 1
}

stop() {
    local file pid
    if [ -e "$dir/slurmctld.pid" ]; then # the jobs' own processes first
        scancel --user="$(id -un)" || true
        for _ in {1..50}; do
            [ -n "$(squeue -h)" ] || break
            sleep 0.2
        done
    fi
    for file in "$dir"/slurmd-*.pid "$dir/slurmctld.pid" "$dir/munged.pid"; do
        pid=$(cat "$file" 2> /dev/null) || continue
        kill "$pid" 2> /dev/null || continue
        for _ in {1..50}; do kill -0 "$pid" 2> /dev/null || break; sleep 0.2; done
    done
}

case $#:${1-} in 2:start | 2:stop) ;; *) usage ;; esac
mkdir -p "$2"
dir=$(cd "$2" && pwd)
export SLURM_CONF=$dir/slurm.conf
"$1"
