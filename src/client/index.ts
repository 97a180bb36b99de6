export * from './api.ts';
export * from './archives.ts';
export * from './builds.ts';
export type { RoomChat } from './chat.ts';
export { anchorOf, placeOf, type RoomComments } from './comments.ts';
export * from './document.ts';
export { errorFromClose, isFinal, isFinalClose, KilnApiError } from './errors.ts';
export { indexedDbStore } from './indexeddb.ts';
export { clearOffline, type OfflineStore, type StoredDocument } from './offline.ts';
export type { RoomPresence } from './presence.ts';
export * from './room.ts';
export { type FieldPath, type SceneBranch, SceneDocument, type SceneNodeValue } from './scene.ts';
export { type Sender, sender } from './sent.ts';
export {
  type BatchOptions,
  eachAsset,
  hashFile,
  type UploadOptions,
  type UploadProgress,
  uploadAsset,
  uploadAssets,
} from './uploads.ts';
