"""The iptables rules of a host on which Docker 28 runs containers."""

TEMPLATE = """\
*nat
:PREROUTING ACCEPT
:OUTPUT ACCEPT
:POSTROUTING ACCEPT
:DOCKER -
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d {loopback} -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s {subnet} ! -o {bridge} -j MASQUERADE
{translations}
COMMIT
*filter
:INPUT ACCEPT
:FORWARD DROP
:OUTPUT ACCEPT
:DOCKER -
:DOCKER-BRIDGE -
:DOCKER-CT -
:DOCKER-FORWARD -
:DOCKER-INTERNAL -
:DOCKER-USER -
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
{permissions}
-A DOCKER ! -i {bridge} -o {bridge} -j DROP
-A DOCKER-BRIDGE -o {bridge} -j DOCKER
-A DOCKER-CT -o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -j DOCKER-INTERNAL
-A DOCKER-FORWARD -j DOCKER-BRIDGE
-A DOCKER-FORWARD -i {bridge} -j ACCEPT
COMMIT
*raw
:PREROUTING ACCEPT
{no_direct_access}
COMMIT
"""


def docker_rules(bridge, family, published=()):
    """With these published: (protocol, host port, container's address, container's port)."""
    translations = (
        f"-A DOCKER ! -i {bridge} -p {protocol} -m {protocol} --dport {host_port}"
        f" -j DNAT --to-destination {family.at_port(address, port)}"
        for protocol, host_port, address, port in published
    )
    permissions = (
        f"-A DOCKER -d {address}/{family.longest} ! -i {bridge} -o {bridge} -p {protocol} -m {protocol}"
        f" --dport {port} -j ACCEPT"
        for protocol, _, address, port in published
    )
    no_direct_access = (
        f"-A PREROUTING -d {address}/{family.longest} ! -i {bridge} -j DROP"
        for address in sorted({address for _, _, address, _ in published})
    )
    return TEMPLATE.format(
        bridge=bridge,
        subnet=family.subnet,
        loopback=family.loopback,
        translations="\n".join(translations),
        permissions="\n".join(permissions),
        no_direct_access="\n".join(no_direct_access),
    )
