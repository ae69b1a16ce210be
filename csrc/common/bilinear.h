// Bilinear sampling shared by the attention and the deformable convolutions: pixels outside the image are zero.
#pragma once

#include "vectorise.h"

#include <cmath>
#include <cstdint>

namespace mx_driving {

// The four neighbours of the point (y, x) in pixels: top left, top right, bottom left, bottom right.
template <typename scalar_t>
struct Neighbours {
  int64_t pixel[4]; // row-major index into the image; only meaningful where present
  bool present[4];
  scalar_t weight[4];
  scalar_t dy, dx; // distance of the point from its top left neighbour, in [0, 1)

  // False when the whole neighbourhood is outside, or the point is no number: then only dy and dx are set. The range is
  // checked in floating point first, so that no huge value is ever converted to an integer. A point one pixel before
  // the first has a neighbour, of weight zero: with kReachesBorder it is inside, as in grid_sample.
  template <bool kReachesBorder>
  MX_DRIVING_INLINE bool locate(scalar_t y, scalar_t x, int64_t height, int64_t width) {
    const scalar_t floor_y = std::floor(y);
    const scalar_t floor_x = std::floor(x);
    dy = y - floor_y; // NaN where y is NaN or infinite
    dx = x - floor_x;
    const bool after_first = kReachesBorder ? y >= -1 && x >= -1 : y > -1 && x > -1;
    if (!(after_first && y < static_cast<scalar_t>(height) && x < static_cast<scalar_t>(width))) {
      return false;
    }
    const int64_t top = static_cast<int64_t>(floor_y);
    const int64_t left = static_cast<int64_t>(floor_x);
    for (int i = 0; i < 4; ++i) {
      const int64_t row = top + i / 2;
      const int64_t column = left + i % 2;
      present[i] = row >= 0 && row < height && column >= 0 && column < width;
      pixel[i] = row * width + column;
      weight[i] = (i / 2 ? dy : 1 - dy) * (i % 2 ? dx : 1 - dx);
    }
    return true;
  }

  // Where each neighbour's channels are; absent ones read zeros, so that the loop over channels has no branch and
  // no infinity of an unrelated pixel can turn into NaN.
  MX_DRIVING_INLINE void rows(
      const scalar_t* image, int64_t stride, const scalar_t* zeros, const scalar_t* (&out)[4]) const {
    for (int i = 0; i < 4; ++i) {
      out[i] = present[i] ? image + pixel[i] * stride : zeros;
    }
  }

  // The same for writing; absent ones write to a row that nobody reads.
  MX_DRIVING_INLINE void rows(scalar_t* image, int64_t stride, scalar_t* discard, scalar_t* (&out)[4]) const {
    for (int i = 0; i < 4; ++i) {
      out[i] = present[i] ? image + pixel[i] * stride : discard;
    }
  }

  // From the values at the neighbours (or any linear function of them): the sample and its slope along y and x.
  MX_DRIVING_INLINE scalar_t sample(const scalar_t (&v)[4]) const {
    return weight[0] * v[0] + weight[1] * v[1] + weight[2] * v[2] + weight[3] * v[3];
  }
  MX_DRIVING_INLINE scalar_t slope_y(const scalar_t (&v)[4]) const {
    return (1 - dx) * (v[2] - v[0]) + dx * (v[3] - v[1]);
  }
  MX_DRIVING_INLINE scalar_t slope_x(const scalar_t (&v)[4]) const {
    return (1 - dy) * (v[1] - v[0]) + dy * (v[3] - v[2]);
  }
};

} // namespace mx_driving
