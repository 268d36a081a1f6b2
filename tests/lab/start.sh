#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Runs the command that the machine was started for, and ends the machine. A step before it that fails
# ends the machine at once.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
ip link set lo up
set -e
modprobe -a virtio_console virtio_rng zfs tun bridge
/opt/lab/nodes &
tries=0
until [ -c /dev/hvc0 ]; do
	[ $((tries += 1)) -le 600 ] || { echo 'lab: no /dev/hvc0'; exit 1; }
	sleep 0.1
done
stty -F /dev/hvc0 raw
run=/run/lab
mkdir -p "$run"
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=mmap run "$run"
set +e
setsid -w sh "$run/command" </dev/null >/dev/hvc0 2>&1
echo $? >"$run/exit"
umount "$run"
sleep 0.1
echo o >/proc/sysrq-trigger
sleep 30
