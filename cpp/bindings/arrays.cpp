#include "bindings/arrays.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <utility>
#include <vector>

#include "base/long_sum.hpp"

namespace nablas {
namespace {

template <class Sequence>
std::string tuple_text(const Sequence& shape, std::size_t size) {
  std::string out = "(";
  for (std::size_t i = 0; i < size; ++i)
    out += (i > 0 ? ", " : "") + (shape[i] < 0 ? std::string("n") : std::to_string(shape[i]));
  return out + (size == 1 ? ",)" : ")");
}

bool is_exact(py::handle array) {
  return reinterpret_cast<PyObject*>(Py_TYPE(array.ptr())) ==
         reinterpret_cast<PyObject*>(py::detail::npy_api::get().PyArray_Type_);
}

bool is_numpy_bool(py::handle value) {  // its name in NumPy 2 and 1
  const char* const name = Py_TYPE(value.ptr())->tp_name;
  return std::strcmp(name, "numpy.bool") == 0 || std::strcmp(name, "numpy.bool_") == 0;
}

// The half-open range of bytes that an array spans.
std::pair<const char*, const char*> extent(const py::array& array) {
  const char *low = static_cast<const char*>(array.data()), *high = low;
  for (py::ssize_t i = 0; i < array.ndim(); ++i) {
    const py::ssize_t span = (array.shape(i) - 1) * array.strides(i);
    (span < 0 ? low : high) += span;
  }
  return {low, high + array.itemsize()};
}

bool element_type(const py::array& array, ElementType& type) {
  const char kind = array.dtype().kind();
  const py::ssize_t size = array.itemsize();
  if (kind == 'f' && (size == 4 || size == 8))
    type = size == 4 ? ElementType::float32 : ElementType::float64;
  else if (kind == 'b')
    type = ElementType::boolean;
  else if (kind == 'u')
    type = size == 1   ? ElementType::uint8
           : size == 2 ? ElementType::uint16
           : size == 4 ? ElementType::uint32
                       : ElementType::uint64;
  else if (kind == 'i')
    type = size == 1   ? ElementType::int8
           : size == 2 ? ElementType::int16
           : size == 4 ? ElementType::int32
                       : ElementType::int64;
  else
    return false;
  return is_native(array.dtype().byteorder());
}

}  // namespace

void value_error(const std::string& name, const std::string& expected, const std::string& got) {
  throw py::value_error(name + ": expected " + expected + ", got " + got);
}
void type_error(const std::string& name, const std::string& expected, const std::string& got) {
  throw py::type_error(name + ": expected " + expected + ", got " + got);
}

std::string shape_text(const py::array& array) { return tuple_text(array.shape(), array.ndim()); }
std::string shape_text(const Shape& shape) { return tuple_text(shape.length, shape.size); }

py::array as_array(py::handle object, const char* name) {
  if (is_exact(object)) return py::reinterpret_borrow<py::array>(object);
  if (py::isinstance<py::array>(object)) {
    if (py::hasattr(object, "mask")) {
      const py::module_ masked = py::module_::import("numpy.ma");
      if (masked.attr("is_masked")(object).cast<bool>())
        type_error(name, "an array without masked entries",
                   text(std::string(py::str(masked.attr("count_masked")(object))), " of them"));
    }
    return py::reinterpret_borrow<py::array>(object);
  }
  try {
    return py::module_::import("numpy").attr("asarray")(object);
  } catch (py::error_already_set& error) {  // an interrupt and a lack of memory stay what they are
    if (!error.matches(PyExc_Exception) || error.matches(PyExc_MemoryError)) throw;
    const std::string reason = py::str(error.value());
    py::raise_from(error, PyExc_TypeError,
                   text(name, ": expected an array, got ", type_name(object), " (", reason, ")").c_str());
    throw py::error_already_set();
  }
}

void check_dimensions(const py::array& array, int dimensions, const char* name) {
  if (array.ndim() != dimensions)
    value_error(name, text(dimensions, dimensions == 1 ? " dimension" : " dimensions"),
                text(array.ndim(), ", shape ", shape_text(array)));
}

void check_shape(const py::array& array, const Shape& shape, const char* name) {
  bool same = array.ndim() == shape.size;
  for (int i = 0; same && i < shape.size; ++i) same = shape.length[i] < 0 || array.shape(i) == shape.length[i];
  if (!same) value_error(name, "shape " + shape_text(shape), shape_text(array));
}

std::string type_name(py::handle value) { return py::str(py::type::of(value).attr("__name__")); }

std::uint64_t integer_argument(py::handle value, const char* name, std::uint64_t least, std::uint64_t most) {
  if (PyBool_Check(value.ptr()) || is_numpy_bool(value) || !PyIndex_Check(value.ptr()))
    type_error(name, "an integer", type_name(value));
  const auto index = py::reinterpret_steal<py::object>(PyNumber_Index(value.ptr()));
  if (!index) {  // an array of several integers has the method, too
    PyErr_Clear();
    type_error(name, "an integer", type_name(value));
  }
  const std::uint64_t found = PyLong_AsUnsignedLongLong(index.ptr());
  const bool failed = PyErr_Occurred() != nullptr;
  PyErr_Clear();
  if (failed || found < least || found > most)
    value_error(name,
                most >= static_cast<std::uint64_t>(std::numeric_limits<int64>::max())
                    ? text("an integer of at least ", least)
                    : text("an integer from ", least, " to ", most),
                py::str(index));
  return found;
}

double number_argument(py::handle value, const char* name) {
  const double found = PyUnicode_Check(value.ptr()) ? -1.0 : PyFloat_AsDouble(value.ptr());
  if (PyErr_Occurred() != nullptr || PyUnicode_Check(value.ptr())) {
    PyErr_Clear();
    type_error(name, "a number", type_name(value));
  }
  return found;
}

bool flag_argument(py::handle value, const char* name) {
  if (PyBool_Check(value.ptr())) return value.ptr() == Py_True;
  if (!is_numpy_bool(value)) type_error(name, "True or False", type_name(value));
  return PyObject_IsTrue(value.ptr()) == 1;
}

std::string name_argument(py::handle value, const char* name) {
  if (!PyUnicode_Check(value.ptr())) type_error(name, "a string", type_name(value));
  return printable(value);
}

std::string printable(py::handle text) {
  const auto bytes =
      py::reinterpret_steal<py::object>(PyUnicode_AsEncodedString(text.ptr(), "utf-8", "backslashreplace"));
  if (!bytes) throw py::error_already_set();
  return {PyBytes_AS_STRING(bytes.ptr()), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.ptr()))};
}

void check_finite_scalar(double value, const char* name) {
  if (!std::isfinite(value)) value_error(name, "a finite number", text(value));
}

template <class T>
void check_held_by(double value, const char* name, double factor) {
  if (std::isfinite(static_cast<T>(factor * value))) return;
  const std::string times = factor == 1 ? "" : text(", also times ", factor);
  value_error(name, text("a number within the range of ", float_name(float_of<T>), times), text(value));
}
template void check_held_by<float>(double, const char*, double);
template void check_held_by<double>(double, const char*, double);

Float float_type(const py::array& array, const char* name) {
  const auto* descriptor = py::detail::array_descriptor_proxy(py::detail::array_proxy(array.ptr())->descr);
  if (descriptor->type_num == py::detail::npy_api::NPY_FLOAT_) return Float::float32;
  if (descriptor->type_num == py::detail::npy_api::NPY_DOUBLE_) return Float::float64;
  type_error(name, "float32 or float64", py::str(array.dtype()));
}

const char* float_name(Float type) { return type == Float::float32 ? "float32" : "float64"; }

bool overlap(const py::array& a, const py::array& b) {
  if (a.size() == 0 || b.size() == 0) return false;
  const auto [a_low, a_high] = extent(a);
  const auto [b_low, b_high] = extent(b);
  return a_low < b_high && b_low < a_high;
}

py::dtype dtype_argument(py::handle value, const char* name) {
  try {
    return py::dtype::from_args(py::reinterpret_borrow<py::object>(value));
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_TypeError) && !error.matches(PyExc_ValueError)) throw;
  }
  type_error(name, "float32 or float64", py::repr(value));
}

void check_output(const py::array& array, const char* name) {
  if (!array.writeable()) value_error(name, "a writeable array", "a read-only one");
  // In the order of their strides, each dimension steps over all of those before: true of every slice of an array.
  std::vector<std::pair<int64, int64>> dimensions;  // stride in bytes and length
  for (py::ssize_t i = 0; i < array.ndim(); ++i)
    if (array.shape(i) > 1) dimensions.emplace_back(std::abs(array.strides(i)), array.shape(i));
  std::sort(dimensions.begin(), dimensions.end());
  int64 covered = array.itemsize();
  for (const auto& [stride, length] : dimensions) {
    if (array.size() > 0 && stride < covered)
      value_error(name, "an array whose elements do not share memory", "one with repeated elements");
    covered += stride * (length - 1);
  }
}

void check_size(const Shape& shape, int64 item_size, const char* name) {
  int64 bytes = item_size;
  for (int i = 0; i < shape.size; ++i)
    if (__builtin_mul_overflow(bytes, static_cast<int64>(shape.length[i]), &bytes)) {
      PyErr_SetString(PyExc_OverflowError,
                      text(name, ": expected a size below 2**63 bytes, got shape ", shape_text(shape)).c_str());
      throw py::error_already_set();
    }
}

AnyMatrixInput::AnyMatrixInput(py::handle object, const char* name, Float widest) : array_(as_array(object, name)) {
  if (array_.ndim() != 2) {
    const std::string hint = array_.ndim() == 1 ? text(" (one sample is ", name, "[np.newaxis])") : "";
    value_error(name, "2 dimensions", text("shape ", shape_text(array_), hint));
  }
  ElementType type;
  if (!element_type(array_, type)) {
    const char kind = array_.dtype().kind();
    if (kind != 'f' && kind != 'i' && kind != 'u' && kind != 'b')
      type_error(name, "numbers", "dtype " + std::string(py::str(array_.dtype())));
    // In the machine's byte order, a number of the same type.
    array_ = array_.attr("astype")(array_.dtype().attr("newbyteorder")("="), py::arg("copy") = false);
  }
  if (!element_type(array_, type)) {           // float16, long double
    constexpr int any = py::array::forcecast;  // a long double may be rounded
    const bool narrow = widest == Float::float32 && array_.itemsize() > 8;
    array_ = narrow ? copy_of(PlainArray<float, any>::ensure(array_), name)
                    : copy_of(PlainArray<double, any>::ensure(array_), name);
    type = narrow ? ElementType::float32 : ElementType::float64;
  }
  view = {array_.data(), type, array_.shape(0), array_.shape(1), array_.strides(0), array_.strides(1)};
}

py::array_t<int64> label_array(const py::array& labels, int64 rows, int64 classes, const char* name, const char* what) {
  const char kind = labels.dtype().kind();
  if (kind != 'i' && kind != 'u' && kind != 'b')
    type_error(name, text("integer ", what), "dtype " + std::string(py::str(labels.dtype())));
  check_shape(labels, {rows}, name);
  py::array_t<int64> array(new_array<int64>({rows}));  // a copy; what is checked is what is used
  int64* const data = array.mutable_data();
  if (py::isinstance<py::array_t<int64>>(labels) && is_plain(labels)) {
    std::copy_n(static_cast<const int64*>(labels.data()), rows, data);
  } else {
    const auto converted = PlainArray<int64, py::array::forcecast>::ensure(labels);
    std::copy_n(static_cast<const int64*>(copy_of(converted, name).data()), rows, data);
  }
  for (int64 i = 0; i < rows; ++i)
    if (data[i] < 0 || data[i] >= classes)
      value_error(name, classes > 0 ? text(what, " from 0 to ", classes - 1) : text("no ", what),
                  text(std::string(py::str(labels.attr("item")(i))), " at index ", i));
  return array;
}

template <class T>
void check_range(const Input<T>& values, double lowest, double highest, const char* name) {
  const T low = static_cast<T>(lowest), high = static_cast<T>(highest);
  const T* data = values.data();
  bool good = true;
  for (int64 i = 0; i < values.size(); ++i) good &= data[i] >= low && data[i] <= high;
  if (good) return;
  int64 i = 0;
  while (i < values.size() - 1 && data[i] >= low && data[i] <= high) ++i;  // another thread may write them
  Shape at(values.array());
  for (int64 d = at.size - 1, rest = i; d >= 0; --d) {
    at.length[d] = rest % values.array().shape(d);
    rest /= values.array().shape(d);
  }
  const bool unbounded = lowest < -1e30;
  const std::string expected = !std::isfinite(data[i]) || unbounded ? "finite values"
                               : highest < 1e30                     ? text("values from ", lowest, " to ", highest)
                                                                    : text("values of at least ", lowest);
  value_error(name, expected, text(data[i], " at ", shape_text(at)));
}

template <class T>
double total_weight(const T* weights, int64 count, const char* name, bool part) {
  constexpr double most = most_weight<T>;
  LongSum sum;
  for (int64 i = 0; i < count; ++i) sum.add(weights[i]);
  const double total = sum.total();
  if (total > most || (!part && total != 0 && total < 1 / most))
    value_error(name, text("weights whose sum is 0 or from ", 1 / most, " to ", most, " in ", float_name(float_of<T>)),
                text("a sum of ", total));
  return total;
}

template double total_weight(const float*, int64, const char*, bool);
template double total_weight(const double*, int64, const char*, bool);
template void check_range(const Input<float>&, double, double, const char*);
template void check_range(const Input<double>&, double, double, const char*);

}  // namespace nablas
