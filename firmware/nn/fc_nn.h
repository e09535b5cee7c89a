/* All kernels. Header-only: shape arguments are literals in the generated calls, so the compiler specialises
 * each. */
#ifndef FC_NN_H
#define FC_NN_H

#include "fc_batch_matmul.h"
#include "fc_binary.h"
#include "fc_conv_2d.h"
#include "fc_conv_2d_max_pool.h"
#include "fc_conv_2d_tiles.h"
#include "fc_depthwise_conv_2d.h"
#include "fc_depthwise_planes.h"
#include "fc_elementwise.h"
#include "fc_fully_connected.h"
#include "fc_fully_connected_blocks.h"
#include "fc_fully_connected_nibbles.h"
#include "fc_functions_16.h"
#include "fc_layers_16.h"
#include "fc_log_softmax.h"
#include "fc_lstm.h"
#include "fc_movement.h"
#include "fc_pairs_16.h"
#include "fc_pool_2d.h"
#include "fc_reduce.h"
#include "fc_resize.h"
#include "fc_softmax.h"
#include "fc_svdf.h"
#include "fc_transpose_conv.h"
#include "fc_winograd.h"

/* Generated files refuse to compile against kernels of another version; raised when packing, tables or calls
 * change. */
#define FC_NN_VERSION 5

#endif
