# bpf_object(NAME SOURCE [DEFINITION...]): compiles SOURCE for the BPF target with those definitions, makes a skeleton of it, and defines the interface
# target NAME_skel whose users can include "NAME.skel.h". The object lies in build/bin beside the executables.
if(NOT CNET_BPF_CLANG)
    find_program(CNET_BPF_CLANG_FOUND NAMES clang-16 clang clang-19 clang-14 REQUIRED)
    set(CNET_BPF_CLANG ${CNET_BPF_CLANG_FOUND})
endif()
find_program(CNET_BPFTOOL bpftool PATHS /usr/sbin /sbin REQUIRED)

function(bpf_object name source)
    set(object ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/${name}.bpf.o)
    set(skeleton_dir ${CMAKE_BINARY_DIR}/skel)
    set(skeleton ${skeleton_dir}/${name}.skel.h)
    list(TRANSFORM ARGN PREPEND -D OUTPUT_VARIABLE definitions)
    file(MAKE_DIRECTORY ${skeleton_dir} ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
    # -mcpu=v3: v4 does not load on 6.1. -g: BTF, which skeletons, map types and global functions need.
    add_custom_command(
        OUTPUT ${object}
        COMMAND ${CNET_BPF_CLANG} -target bpf -mcpu=v3 -O2 -g -std=gnu11 -Wall -Wextra -Wshadow -Werror
                -Wno-address-of-packed-member -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=
                -I${CMAKE_SOURCE_DIR} -I${CMAKE_SOURCE_DIR}/maps -idirafter /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
                ${definitions} -MD -MF ${object}.d -MT ${object} -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${object}
        DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${source}
        DEPFILE ${object}.d
        COMMENT "BPF object ${name}"
        VERBATIM)
    add_custom_command(
        OUTPUT ${skeleton}
        COMMAND ${CNET_BPFTOOL} gen skeleton ${object} name ${name}_bpf > ${skeleton}
        DEPENDS ${object}
        COMMENT "BPF skeleton ${name}"
        VERBATIM)
    add_custom_target(${name}_skel_gen DEPENDS ${skeleton})
    add_library(${name}_skel INTERFACE)
    add_dependencies(${name}_skel ${name}_skel_gen)
    target_include_directories(${name}_skel SYSTEM INTERFACE ${skeleton_dir})
    target_link_libraries(${name}_skel INTERFACE PkgConfig::LIBBPF)
endfunction()
