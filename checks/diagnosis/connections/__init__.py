"""Services, the cluster's DNS, tunnels, and the sockets at their ends."""
