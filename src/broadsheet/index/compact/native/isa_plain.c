/* Kernels in plain C. Other files replace some of them by instructions of one processor family. */
#include "compact.h"
#define NAME(name) name##_plain
#include "plain.h"
#include "search.h"
