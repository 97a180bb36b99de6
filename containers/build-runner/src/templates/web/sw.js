/*! Workbox 7.4.1, Copyright 2018 Google LLC, MIT licence: https://github.com/GoogleChrome/workbox/blob/v7/LICENSE */
// The service worker of a game that plays without a network: bundled into `sw.js` of the site with the list of its files.
import { clientsClaim } from 'workbox-core';
import { addPlugins, cleanupOutdatedCaches, precacheAndRoute } from 'workbox-precaching';
import { RangeRequestsPlugin } from 'workbox-range-requests';

self.skipWaiting();
// The page that brought it plays from the cache at once, not from its second visit on.
clientsClaim();
cleanupOutdatedCaches();
// Sounds and videos are asked for in parts.
addPlugins([new RangeRequestsPlugin()]);
precacheAndRoute(KILN_SITE_FILES);
