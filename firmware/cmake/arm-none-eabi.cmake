# Toolchain file: -DCMAKE_TOOLCHAIN_FILE=.../arm-none-eabi.cmake
# A compiler outside PATH is named by -DFC_TOOLCHAIN_DIR=/opt/.../bin (or the environment variable of that name).

set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR cortex-m7)

# An executable cannot be linked before there is a linker script.
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES FC_TOOLCHAIN_DIR)

if(NOT FC_TOOLCHAIN_DIR AND DEFINED ENV{FC_TOOLCHAIN_DIR})
  set(FC_TOOLCHAIN_DIR "$ENV{FC_TOOLCHAIN_DIR}")
endif()

foreach(tool IN ITEMS gcc g++ objcopy size)
  # A variable per tool that stays out of the cache, so that installing the compiler later is noticed.
  unset(FC_TOOL_${tool} CACHE)
  find_program(FC_TOOL_${tool} arm-none-eabi-${tool} HINTS "${FC_TOOLCHAIN_DIR}")
endforeach()

if(NOT FC_TOOL_gcc)
  message(FATAL_ERROR
    "arm-none-eabi-gcc was not found. Install it:\n"
    "  Debian, Ubuntu:  apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi\n"
    "  Fedora:          dnf install arm-none-eabi-gcc-cs arm-none-eabi-newlib\n"
    "  macOS:           brew install --cask gcc-arm-embedded\n"
    "or name the folder that holds it: -DFC_TOOLCHAIN_DIR=/path/to/bin")
endif()

set(CMAKE_C_COMPILER "${FC_TOOL_gcc}")
set(CMAKE_ASM_COMPILER "${FC_TOOL_gcc}")
if(FC_TOOL_g++)
  set(CMAKE_CXX_COMPILER "${FC_TOOL_g++}")
endif()
set(CMAKE_OBJCOPY "${FC_TOOL_objcopy}" CACHE FILEPATH "" FORCE)
set(CMAKE_SIZE "${FC_TOOL_size}" CACHE FILEPATH "" FORCE)
set(CMAKE_EXECUTABLE_SUFFIX .elf)

# Single precision only: the part has a double-precision FPU, but no double belongs into firmware.
set(fc_cpu "-mcpu=cortex-m7 -mthumb -mfpu=fpv5-sp-d16 -mfloat-abi=hard")
set(CMAKE_C_FLAGS_INIT "${fc_cpu}")
set(CMAKE_CXX_FLAGS_INIT "${fc_cpu} -fno-exceptions -fno-rtti -fno-threadsafe-statics")
set(CMAKE_ASM_FLAGS_INIT "${fc_cpu}")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-nostartfiles --specs=nano.specs -Wl,--gc-sections")

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
