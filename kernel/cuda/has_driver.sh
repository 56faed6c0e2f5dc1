#!/bin/sh
# Succeeds where the loader finds a libcuda.so.1: in the folders of LD_LIBRARY_PATH, in its cache, or in its own folders.
set -f
IFS=:
for folder in ${LD_LIBRARY_PATH:-} /lib64 /usr/lib64 /lib /usr/lib; do
    if [ -n "$folder" ] && [ -e "$folder/libcuda.so.1" ]; then
        exit 0
    fi
done
PATH=$PATH:/sbin:/usr/sbin
ldconfig -p 2>/dev/null | grep -q 'libcuda\.so\.1 '
