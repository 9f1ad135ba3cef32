/* Includes the file named TEMPLATE once for float and once for double; a name is written NAME(add): add_float. */
#include "vector.h"

#define real float
#define integer int32_t
#define natural uint32_t
#define NAME(name) name##_float
#include TEMPLATE
#undef real
#undef integer
#undef natural
#undef NAME

#define real double
#define integer int64_t
#define natural uint64_t
#define NAME(name) name##_double
#include TEMPLATE
#undef real
#undef integer
#undef natural
#undef NAME

#undef TEMPLATE
