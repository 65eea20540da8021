"""The three parties of an enrollment on the node runtime: service, enroller (with its station), enrollee."""
