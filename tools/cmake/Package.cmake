# The Debian package cnet-bpf, by `tools/package`: what `install` puts there, stripped, with the maintainer scripts.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME cnet-bpf)
set(CPACK_PACKAGE_CONTACT "The cnet-bpf developers <cnet-bpf@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "container networks on eBPF")
set(CPACK_PACKAGE_DESCRIPTION
    "Switches, translates and counts containers' packets with eBPF programs at the host side of each veth, in place of a Linux bridge, iptables NAT and userland proxies. With a daemon, a command line, a driver for Docker, and plugins for CNI and netavark.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
# The plugins are installed by other names than their targets', which CPack does not strip.
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_SOURCE_DIR}/tools/packaging/strip_plugins.cmake)
# Components would be packages; and nothing but what is installed is built for it.
set(CPACK_MONOLITHIC_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "init-system-helpers (>= 1.54)")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "systemd, iproute2")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    "${CMAKE_SOURCE_DIR}/tools/packaging/debian/conffiles"
    "${CMAKE_SOURCE_DIR}/tools/packaging/debian/postinst"
    "${CMAKE_SOURCE_DIR}/tools/packaging/debian/prerm"
    "${CMAKE_SOURCE_DIR}/tools/packaging/debian/postrm")
include(CPack)
