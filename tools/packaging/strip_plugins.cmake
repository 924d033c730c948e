# Run by CPack on the tree that becomes the package.
file(GLOB plugins ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr/lib/cni/cnet ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr/lib/netavark/cnet)
foreach(plugin IN LISTS plugins)
    execute_process(COMMAND strip ${plugin} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
