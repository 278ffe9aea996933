"""The commands of the domain ``medical``, one file each; heavy imports only inside their bodies."""
