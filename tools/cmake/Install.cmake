# What `install` puts where a Debian package would.
