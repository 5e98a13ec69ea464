'use strict';
// stream/promises.
module.exports = require('./stream_util').promises;
