"""A whole instance, provisioned without Ansible: backups and drills as an operator's host has them."""
