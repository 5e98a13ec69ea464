'use strict';
// The host: Node.js, where this file is looked at. `lettermill run` has its own in this place.
module.exports = require('../node/host');
