# Warnings, sanitizers and the libraries that several folders use.
if(CMAKE_INSTALL_PREFIX_INITIALIZED_TO_DEFAULT)
    set(CMAKE_INSTALL_PREFIX /usr CACHE PATH "Installation prefix" FORCE)
endif()
include(GNUInstallDirs)
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

add_library(cnet_options INTERFACE)
target_include_directories(cnet_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(cnet_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
    -Wnon-virtual-dtor -Woverloaded-virtual -Werror)
# nlohmann-json, CLI11 and toml++ take most of the compile time at -O2; the daemon's own work is in the kernel.
target_compile_options(cnet_options INTERFACE $<$<CONFIG:RelWithDebInfo>:-O1 -g1>)
if(CNET_SANITIZE)
    # g++ 12 sees uninitialized members in <regex> and std::function once the sanitizers instrument them
    # (gcc PR 105562).
    target_compile_options(cnet_options INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
    target_compile_options(cnet_options INTERFACE -fsanitize=address,undefined -fno-omit-frame-pointer
        -fno-sanitize-recover=all)
    target_link_options(cnet_options INTERFACE -fsanitize=address,undefined)
endif()

if(CNET_FUZZ)
    target_compile_options(cnet_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

pkg_check_modules(LIBBPF REQUIRED IMPORTED_TARGET libbpf>=1.1)
pkg_check_modules(NL_ROUTE REQUIRED IMPORTED_TARGET libnl-3.0 libnl-route-3.0)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(SYSTEMD REQUIRED IMPORTED_TARGET libsystemd)
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd)
pkg_check_modules(PCAP REQUIRED IMPORTED_TARGET libpcap)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares>=1.18)
pkg_check_modules(TOMLPLUSPLUS REQUIRED IMPORTED_TARGET tomlplusplus)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(spdlog REQUIRED)
