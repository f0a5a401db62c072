"""Many tasks at a time, in processes of this machine or of a cluster."""
