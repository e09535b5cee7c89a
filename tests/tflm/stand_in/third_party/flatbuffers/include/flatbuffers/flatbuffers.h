/* Stand-in: see README.md. Nothing of it is used; CMake looks for the file. */
#ifndef STAND_IN_FLATBUFFERS_H
#define STAND_IN_FLATBUFFERS_H
#endif
