# The module as a user C module, for ports that are built with CMake (rp2, esp32):
#   -DUSER_C_MODULES=.../firmware/native/usermod/micropython.cmake
# -DMICROSEAL_SUITES=1 (or 2) leaves the other suite out.

add_library(usermod_microseal_core INTERFACE)
target_sources(usermod_microseal_core INTERFACE ${CMAKE_CURRENT_LIST_DIR}/microseal_core.c)

# What a processor has in assembly, *_armv6m.S where core/config.h sets MS_ARMV6M and so on; empty for any other processor.
set(MICROSEAL_CORE ${CMAKE_CURRENT_LIST_DIR}/../core)
file(GLOB MICROSEAL_ASSEMBLY ${MICROSEAL_CORE}/*.S)
foreach(SOURCE ${MICROSEAL_ASSEMBLY})
    get_filename_component(NAME ${SOURCE} NAME)
    string(REGEX REPLACE ".*_(.*)\\.S" "\\1" SWITCH ${NAME})
    string(TOUPPER MS_${SWITCH} SWITCH)
    set(WRAPPER ${CMAKE_BINARY_DIR}/microseal/${NAME})
    file(WRITE ${WRAPPER}.new "#include \"${MICROSEAL_CORE}/config.h\"\n#if ${SWITCH}\n#include \"${SOURCE}\"\n#endif\n")
    configure_file(${WRAPPER}.new ${WRAPPER} COPYONLY)
    target_sources(usermod_microseal_core INTERFACE ${WRAPPER})
endforeach()

if(MICROSEAL_SUITES)
    foreach(SUITE 1 2)
        if(SUITE IN_LIST MICROSEAL_SUITES)
            target_compile_definitions(usermod_microseal_core INTERFACE MS_SUITE${SUITE}=1)
        else()
            target_compile_definitions(usermod_microseal_core INTERFACE MS_SUITE${SUITE}=0)
        endif()
    endforeach()
endif()
target_link_libraries(usermod INTERFACE usermod_microseal_core)
