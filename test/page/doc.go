// Package page holds the tests of the live pages in a real browser: headless Chromium looks at a peer and at a swarm that
// run, on a wide screen and on a phone. It is a module of its own, since only these tests need the browser's client.
//
// Screenshots are left in bin/page of the checkout.
package page
