"""The interfaces of CSI and of kubelet, and the script that makes Python of them."""
