# What the kernel's target offers to our host; runs in the guest, with PORTS and DISCOVERY.
# Namespaces 1 and 2 have 64 MiB, 3 and 4 have 8 MiB; 1 and 3 have blocks of 512 bytes, 2 and 4 of
# 4096. A namespace is copied as a whole.
set -e
nqn=nqn.2024-01.org.example:linux:interop
tgt subsys $nqn attr_serial=INTEROP attr_model=linux-nvmet
tgt ns $nqn 1 "$(tgt disk n1 null 64 512)"
tgt ns $nqn 2 "$(tgt disk n2 null 64 4096)"
tgt ns $nqn 3 "$(tgt disk n3 null 8 512)"
tgt ns $nqn 4 "$(tgt disk n4 null 8 4096)"
for p in $PORTS $DISCOVERY; do
  tgt port "$p"
  tgt link "$p" $nqn
done
