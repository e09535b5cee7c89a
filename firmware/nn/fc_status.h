/* What the functions of a generated network return. */
#ifndef FC_STATUS_H
#define FC_STATUS_H

enum fc_status {
    FC_OK = 0,
    FC_BAD_ARGUMENT = 1, /* a step or index that the network does not have */
    FC_FAILED = 2,       /* the engine could not start or run */
};

#if defined(__GNUC__)
#define FC_MUST_CHECK __attribute__((warn_unused_result))
#else
#define FC_MUST_CHECK
#endif

#endif
