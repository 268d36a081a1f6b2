#!/bin/busybox sh
# The first process of the tiny Linux: everything runs from memory.
/bin/busybox mkdir -p /proc /sys /dev /run /tmp /data /root /sbin /usr/bin /usr/sbin
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts
mount -t devpts pts /dev/pts

load() {
    for module in $(cat "/modules/$1"); do insmod "/modules/$module.ko" 2>/dev/null; done
}

wants_disk=
for device in /sys/bus/pci/devices/*; do
    case $(cat $device/class):$(cat $device/vendor) in
    0x0106*) load ahci; wants_disk=yes ;;
    0x0108*) load nvme; wants_disk=yes ;;
    *:0x1af4) load virtio ;;
    0x0200*:0x8086) load e1000 ;;
    esac
done
load button

ifconfig lo 127.0.0.1 up
hostname guest
if [ -e /sys/class/net/eth0 ]; then
    IFS=: read -r _ _ _ x y z </sys/class/net/eth0/address
    ifconfig eth0 "10.$((0x$x)).$((0x$y)).$((0x$z))" netmask 255.0.0.0 up
    hostname "guest-$((0x$x))-$((0x$y))-$((0x$z))"
fi
mkdir -p /etc/acpi/PWRF
printf '#!/bin/sh\npoweroff\n' >/etc/acpi/PWRF/00000080
chmod 755 /etc/acpi/PWRF/00000080
acpid -d </dev/null >/dev/null 2>&1 &

find_disk() {
    for name in vda sda nvme0n1; do
        if [ -b /dev/$name ]; then disk=/dev/$name; return; fi
    done
}
disk=
find_disk
tries=0
while [ -z "$disk" ] && [ -n "$wants_disk" ] && [ $tries -lt 16 ]; do
    sleep 0.05
    find_disk
    tries=$((tries + 1))
done
if [ -n "$disk" ]; then
    load filesystem
    if [ "$(dd if=$disk bs=4096 count=16 2>/dev/null | tr -d '\000' | wc -c)" = 0 ]; then
        mke2fs $disk >/dev/null 2>&1
    fi
    mount -t ext4 -o sync $disk /data 2>/dev/null || mount -t ext4 -o ro $disk /data 2>/dev/null
fi
exec /bin/busybox init
