// What every source begins with. REAL, float or double, is given to the compiler.

#define KERNEL extern "C" __global__ void

typedef long long Integer;  // what a Python int arrives as

// This thread's number among all threads of a launch along x.
__device__ inline Integer thread_number() { return (Integer)blockIdx.x * blockDim.x + threadIdx.x; }
