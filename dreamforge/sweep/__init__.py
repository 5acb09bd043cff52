"""Many prompts: plan.py expands and checks them, folder.py keeps what became of each, an engine carries them out
(local.py processes, cluster.py Ray, slurm.py), gallery.py shows them."""
