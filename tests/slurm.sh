#!/bin/bash
# A Slurm of one node for tests, without systemd: munged, slurmctld and slurmd of Debian (slurm-wlm, munge), as root.
#   slurm.sh start FOLDER   write FOLDER/slurm.conf, start the daemons, wait until the node is idle
#   slurm.sh stop FOLDER    cancel all jobs, end the daemons by their process ids
# Afterwards SLURM_CONF is FOLDER/slurm.conf.
set -euo pipefail
mkdir -p "$2"
folder=$(cd "$2" && pwd)
export SLURM_CONF=$folder/slurm.conf

begin() { # begin NAME COMMAND...: in a session of its own
    local name=$1
    shift
    setsid "$@" >"$folder/$name.out" 2>&1 </dev/null &
    echo $! >"$folder/$name.pid"
}

until_it_does() { # until_it_does SECONDS COMMAND...
    local tries=$(($1 * 10))
    shift
    until "$@" >/dev/null 2>&1; do
        if ((tries-- == 0)); then
            echo "slurm.sh: '$*' does not succeed; see $folder/*.out" >&2
            exit 1
        fi
        sleep 0.1
    done
}

idle() { [ "$(sinfo --noheader --format=%T)" = idle ]; }
gone() { ! kill -0 "$1" 2>/dev/null; }

case $1 in
start)
    host=$(hostname -s)
    mkdir -p "$folder/controller" "$folder/node"
    cat >"$SLURM_CONF" <<END
ClusterName=tests
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
CryptoType=crypto/munge
StateSaveLocation=$folder/controller
SlurmdSpoolDir=$folder/node
SlurmctldPidFile=$folder/controller/pid
SlurmdPidFile=$folder/node/pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
KillWait=5
NodeName=$host NodeAddr=127.0.0.1 $(slurmd -C | head -n 1 | cut -d' ' -f2-)
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
    # munged wants a key and folders that nobody else can write to: those of the package.
    if ! munge --no-input >/dev/null 2>&1; then
        install -d -o munge -g munge -m 755 /run/munge
        begin munged setpriv --reuid=munge --regid=munge --init-groups /usr/sbin/munged --foreground
    fi
    until_it_does 10 munge --no-input
    begin slurmctld slurmctld -D
    until_it_does 20 scontrol ping
    begin slurmd slurmd -D
    until_it_does 30 idle
    ;;
stop)
    scancel --user=root || true
    for name in slurmd slurmctld munged; do
        [ -s "$folder/$name.pid" ] || continue
        process=$(cat "$folder/$name.pid")
        [ "$(cat "/proc/$process/comm" 2>/dev/null)" = "$name" ] || continue
        kill "$process"
        until_it_does 10 gone "$process"
    done
    ;;
esac
