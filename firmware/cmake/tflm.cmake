# The target `tflm`: TensorFlow Lite for Microcontrollers as TFLM_DIR has it, headers and library.
# TFLM_DIR is a checkout of tensorflow/tflite-micro that its Makefile has built, or a tree made by its
# create_tflm_tree.py, with a library in it or else the sources to compile.

set(TFLM_DIR "$ENV{TFLM_DIR}" CACHE PATH "Tree of TensorFlow Lite for Microcontrollers")
set(TFLM_LIBRARY "$ENV{TFLM_LIBRARY}" CACHE FILEPATH "Its library; empty to look for libtensorflow-microlite.a in TFLM_DIR")
set(fc_get_tflm
  "A checkout of https://github.com/tensorflow/tflite-micro will do, once this was run in it:\n"
  "  make -f tensorflow/lite/micro/tools/make/Makefile microlite OPTIMIZED_KERNEL_DIR=cmsis_nn "
  "TARGET=cortex_m_generic TARGET_ARCH=cortex-m7+fp GCC_TARGET_ARCH=cortex-m7+nofp.dp")
string(CONCAT fc_get_tflm ${fc_get_tflm})

if(NOT TFLM_DIR)
  message(FATAL_ERROR "ENGINE=tflm needs TensorFlow Lite for Microcontrollers: "
    "name its tree by -DTFLM_DIR=/path/to/tree, or by the environment variable TFLM_DIR.\n${fc_get_tflm}")
endif()
get_filename_component(TFLM_DIR "${TFLM_DIR}" ABSOLUTE BASE_DIR "${CMAKE_BINARY_DIR}")
if(NOT EXISTS "${TFLM_DIR}/tensorflow/lite/micro/micro_interpreter.h")
  message(FATAL_ERROR "TFLM_DIR=${TFLM_DIR} has no tensorflow/lite/micro/micro_interpreter.h: "
    "it must be the root of the tree.\n${fc_get_tflm}")
endif()

# Headers of others: where the Makefile downloads them, and where create_tflm_tree.py puts them.
set(fc_tflm_others "${TFLM_DIR}/tensorflow/lite/micro/tools/make/downloads" "${TFLM_DIR}/third_party")
set(fc_tflm_includes "${TFLM_DIR}")
foreach(folder IN LISTS fc_tflm_others)
  foreach(other IN ITEMS flatbuffers/include gemmlowp ruy cmsis_nn cmsis_nn/Include cmsis/CMSIS/Core/Include)
    if(EXISTS "${folder}/${other}")
      list(APPEND fc_tflm_includes "${folder}/${other}")
    endif()
  endforeach()
endforeach()
find_file(fc_tflm_flatbuffers flatbuffers/flatbuffers.h PATHS ${fc_tflm_includes}
  NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH NO_CACHE)
if(NOT fc_tflm_flatbuffers)
  message(FATAL_ERROR "TFLM_DIR=${TFLM_DIR} lacks the headers of FlatBuffers "
    "(third_party/flatbuffers/include, or downloads/flatbuffers/include beside the Makefile).\n${fc_get_tflm}")
endif()

if(CMAKE_CROSSCOMPILING AND NOT CMAKE_CXX_COMPILER)
  message(FATAL_ERROR "arm-none-eabi-g++ was not found beside arm-none-eabi-gcc: ENGINE=tflm is C++")
endif()
enable_language(CXX)
include(CheckIncludeFileCXX)
check_include_file_cxx(type_traits fc_has_cxx_headers)
if(NOT fc_has_cxx_headers)
  unset(fc_has_cxx_headers CACHE) # asked again once they are there
  message(FATAL_ERROR "the C++ library for the target is not installed: "
    "apt-get install libstdc++-arm-none-eabi-newlib")
endif()

set(fc_tflm_library "${TFLM_LIBRARY}")
if(NOT fc_tflm_library)
  set(name libtensorflow-microlite.a)
  file(GLOB fc_tflm_found "${TFLM_DIR}/${name}" "${TFLM_DIR}/lib/${name}" "${TFLM_DIR}/gen/*/lib/${name}")
  if(CMAKE_CROSSCOMPILING)
    set(for_this_core ${fc_tflm_found})
    list(FILTER for_this_core INCLUDE REGEX "/gen/[^/]*cortex[-_]m7")
    if(for_this_core)
      set(fc_tflm_found ${for_this_core})
    endif()
  endif()
  list(LENGTH fc_tflm_found count)
  if(count GREATER 1)
    list(JOIN fc_tflm_found "\n  " fc_tflm_found)
    message(FATAL_ERROR "TFLM_DIR=${TFLM_DIR} holds several libraries: name one by -DTFLM_LIBRARY=, or the "
      "environment variable TFLM_LIBRARY:\n"
      "  ${fc_tflm_found}")
  endif()
  set(fc_tflm_library "${fc_tflm_found}")
endif()

if(fc_tflm_library)
  if(NOT EXISTS "${fc_tflm_library}")
    message(FATAL_ERROR "there is no TFLM_LIBRARY=${fc_tflm_library}")
  endif()
  message(STATUS "TFLM: ${fc_tflm_library}")
  add_library(tflm STATIC IMPORTED)
  set_target_properties(tflm PROPERTIES IMPORTED_LOCATION "${fc_tflm_library}")
elseif(EXISTS "${TFLM_DIR}/third_party/flatbuffers/include")
  # A tree of create_tflm_tree.py holds what one library is made of and nothing else.
  file(GLOB_RECURSE fc_tflm_sources CONFIGURE_DEPENDS
    "${TFLM_DIR}/tensorflow/*.cc" "${TFLM_DIR}/tensorflow/*.cpp" "${TFLM_DIR}/tensorflow/*.c"
    "${TFLM_DIR}/signal/*.cc" "${TFLM_DIR}/signal/*.cpp" "${TFLM_DIR}/third_party/*.c"
    "${TFLM_DIR}/third_party/*.cc" "${TFLM_DIR}/third_party/*.cpp")
  list(LENGTH fc_tflm_sources count)
  if(count EQUAL 0)
    message(FATAL_ERROR "TFLM_DIR=${TFLM_DIR} holds neither libtensorflow-microlite.a (looked for in it, in lib "
      "and in gen/*/lib) nor sources.\n${fc_get_tflm}")
  endif()
  message(STATUS "TFLM: ${count} sources of ${TFLM_DIR}")
  add_library(tflm STATIC ${fc_tflm_sources})
  set_target_properties(tflm PROPERTIES CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON)
  target_compile_options(tflm PRIVATE -O2 -w -ffunction-sections -fdata-sections)
  target_compile_definitions(tflm PUBLIC TF_LITE_STATIC_MEMORY)
  if(EXISTS "${TFLM_DIR}/third_party/cmsis_nn")
    target_compile_definitions(tflm PRIVATE CMSIS_NN)
  endif()
else()
  message(FATAL_ERROR "TFLM_DIR=${TFLM_DIR} holds no libtensorflow-microlite.a (looked for in it, in lib and in "
    "gen/*/lib).\n${fc_get_tflm}")
endif()
target_include_directories(tflm SYSTEM INTERFACE ${fc_tflm_includes})
if(TARGET tflm AND fc_tflm_sources)
  target_include_directories(tflm PRIVATE ${fc_tflm_includes})
endif()
# As the library's own Makefile has it; both sides must see the same classes.
target_compile_definitions(tflm INTERFACE TF_LITE_STATIC_MEMORY)
target_compile_options(tflm INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions$<SEMICOLON>-fno-rtti$<SEMICOLON>-fno-threadsafe-statics>)
