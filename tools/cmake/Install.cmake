# What `install` puts where a Debian package would. BPF objects are inside the executables.
if(TARGET cnetd AND TARGET cnet-bpf)
    install(TARGETS cnetd RUNTIME DESTINATION ${CMAKE_INSTALL_SBINDIR})
    install(TARGETS cnet-bpf RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
if(TARGET cnet-cni)
    # By the name that a network configuration's "type" has, where Debian keeps such plugins.
    install(PROGRAMS $<TARGET_FILE:cnet-cni> DESTINATION lib/cni RENAME cnet)
endif()
if(TARGET cnet-netavark)
    # Likewise: one of podman's netavark_plugin_dirs.
    install(PROGRAMS $<TARGET_FILE:cnet-netavark> DESTINATION lib/netavark RENAME cnet)
endif()

# systemd and its tools look below lib, whatever the architecture's library directory is.
configure_file(tools/packaging/cnetd.service.in packaging/cnetd.service @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/packaging/cnetd.service tools/packaging/cnetd.socket
    tools/packaging/cnet-docker.socket DESTINATION lib/systemd/system)
install(FILES tools/packaging/cnet.sysusers.conf DESTINATION lib/sysusers.d RENAME cnet.conf)
install(FILES tools/packaging/cnetd.toml DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/cnet)
install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/cnet-bpf)
install(DIRECTORY LICENSES DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/cnet-bpf)

find_program(CNET_SCDOC scdoc)
file(GLOB manuals CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/docs/man/*.scd)
if(CNET_SCDOC)
    foreach(source IN LISTS manuals)
        get_filename_component(page ${source} NAME_WLE)
        string(REGEX MATCH "[0-9]$" section ${page})
        set(output ${CMAKE_BINARY_DIR}/man/${page})
        add_custom_command(
            OUTPUT ${output}
            COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/man
            COMMAND ${CNET_SCDOC} < ${source} > ${output}
            DEPENDS ${source}
            COMMENT "Manual ${page}"
            VERBATIM)
        list(APPEND pages ${output})
        install(FILES ${output} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
    endforeach()
    add_custom_target(manuals ALL DEPENDS ${pages})
elseif(manuals)
    message(STATUS "scdoc not found: no manual pages")
endif()

# Shells' completion, printed by the program itself.
if(TARGET cnet-bpf)
    set(completions ${CMAKE_BINARY_DIR}/completions)
    set(scripts)
    foreach(shell IN ITEMS bash zsh fish)
        add_custom_command(
            OUTPUT ${completions}/${shell}
            COMMAND ${CMAKE_COMMAND} -E make_directory ${completions}
            COMMAND cnet-bpf completion ${shell} > ${completions}/${shell}
            DEPENDS cnet-bpf
            COMMENT "Completion for ${shell}"
            VERBATIM)
        list(APPEND scripts ${completions}/${shell})
    endforeach()
    add_custom_target(completions ALL DEPENDS ${scripts})
    install(FILES ${completions}/bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME cnet-bpf)
    install(FILES ${completions}/zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions RENAME _cnet-bpf)
    install(FILES ${completions}/fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d RENAME cnet-bpf.fish)
endif()
