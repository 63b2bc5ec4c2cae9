#!/usr/bin/env bash
# A Slurm cluster of this machine alone, for as long as a command runs. On Debian, as root:
#
#     benchmarks/scale/slurm.sh python benchmarks/scale/jobs.py slurm --requeues 5
#     benchmarks/scale/slurm.sh pytest plugins/genkit-slurm/tests/test_slurm.py
#
# Installs slurm-wlm and munge by apt-get if they are missing, and starts them with a configuration in a temporary
# folder. They are stopped at the end, whatever the command does. Without a command it is the first of these two.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [[ $(id -u) != 0 ]]; then
  echo "slurm.sh starts Slurm's daemons: run it as root" >&2
  exit 1
fi
if ! command -v slurmctld munged slurmd >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge >/dev/null
fi

folder=$(mktemp -d /tmp/genkit-slurm.XXXXXX)
host=$(hostname -s)
export SLURM_CONF=$folder/slurm.conf
mkdir "$folder/state" "$folder/spool"
cat >"$SLURM_CONF" <<END
ClusterName=genkit
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=10
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
MpiDefault=none
ReturnToService=2
JobRequeue=1
RequeueExit=130
KillWait=30
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc --all) State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
END

stop() {
  scancel --state=PENDING,RUNNING --me 2>/dev/null || true
  for daemon in slurmd slurmctld munged; do
    if [[ -s $folder/$daemon.pid ]]; then
      kill "$(cat "$folder/$daemon.pid")" 2>/dev/null || true
    fi
  done
  if [[ -n ${KEEP:-} ]]; then
    echo "kept $folder" >&2
  else
    sleep 2
    rm -rf "$folder"
  fi
}
trap stop EXIT

# cred_expire above: what is requeued begins after that time, which is two minutes otherwise.
# munged wants a key and folders that are its user's alone; here that user is root.
dd if=/dev/urandom of="$folder/munge.key" bs=128 count=1 status=none
chmod 0400 "$folder/munge.key"
munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
  --log-file="$folder/munged.log" --seed-file="$folder/munged.seed"
slurmctld
slurmd
for _ in $(seq 60); do
  [[ $(sinfo --noheader --format=%T 2>/dev/null) == idle ]] && break
  sleep 0.5
done
if [[ $(sinfo --noheader --format=%T 2>/dev/null) != idle ]]; then
  tail -n 20 "$folder"/*.log >&2
  echo "Slurm did not start" >&2
  exit 1
fi
if [[ $# == 0 ]]; then
  set -- python benchmarks/scale/jobs.py slurm --requeues 5
fi
"$@"
