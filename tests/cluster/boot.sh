#!/usr/bin/env bash
# The first process of a host, in namespaces of its own: FOLDER NAME ADDRESS GATEWAY SHM VISIBLE...
# Whatever is mounted here is seen here only and goes when the host's last process goes.
set -euo pipefail
folder=$1 name=$2 address=$3 gateway=$4 shm=$5
shift 5

hostname "$name"
# an /etc of its own: a mount over one file in it would be lost as soon as the machine replaces that file
mount -t tmpfs tmpfs "$folder/etc"
cp -a /etc/. "$folder/etc"
for file in passwd hosts resolv.conf; do
  cp --remove-destination "$folder/$file" "$folder/etc/$file"
done
mount --rbind "$folder/etc" /etc
mount -t tmpfs -o "size=$shm" tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mkdir -p /run/sshd

# an empty /tmp, in which only the folders that all hosts share stay where they are
mount -t tmpfs tmpfs "$folder/tmp"
for visible in "$@"; do
  mkdir -p "$folder/tmp${visible#/tmp}"
  mount --bind "$visible" "$folder/tmp${visible#/tmp}"
done
mount --rbind "$folder/tmp" /tmp

ip link set lo up
read -r _ # a line comes when the cable is plugged in
ip address add "$address" dev eth0
ip link set eth0 up
ip route add default via "$gateway"
exec /usr/sbin/sshd -D -e -f "$folder/sshd_config"
