CREATE TABLE `api_keys` (
	`id` text PRIMARY KEY NOT NULL,
	`user_id` text NOT NULL,
	`name` text NOT NULL,
	`hash` text NOT NULL,
	`prefix` text NOT NULL,
	`scopes` text NOT NULL,
	`project_id` text,
	`expires_at` integer,
	`last_used_at` integer,
	`revoked_at` integer,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `api_keys_hash` ON `api_keys` (`hash`);--> statement-breakpoint
CREATE INDEX `api_keys_user` ON `api_keys` (`user_id`);--> statement-breakpoint
CREATE TABLE `asset_versions` (
	`asset_id` text NOT NULL,
	`version` integer NOT NULL,
	`object_key` text NOT NULL,
	`hash` text NOT NULL,
	`size` integer NOT NULL,
	`mime_type` text NOT NULL,
	`metadata` text NOT NULL,
	`created_by` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`asset_id`, `version`)
);
--> statement-breakpoint
CREATE INDEX `asset_versions_hash` ON `asset_versions` (`hash`);--> statement-breakpoint
CREATE TABLE `assets` (
	`id` text PRIMARY KEY NOT NULL,
	`project_id` text NOT NULL,
	`name` text NOT NULL,
	`type` text NOT NULL,
	`version` integer NOT NULL,
	`metadata` text NOT NULL,
	`created_by` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`deleted_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `assets_name` ON `assets` (`project_id`,`name`);--> statement-breakpoint
CREATE INDEX `assets_type` ON `assets` (`project_id`,`type`);--> statement-breakpoint
CREATE TABLE `audit_log` (
	`id` text PRIMARY KEY NOT NULL,
	`at` integer NOT NULL,
	`actor_id` text,
	`project_id` text,
	`action` text NOT NULL,
	`subject` text,
	`data` text NOT NULL,
	`request_id` text
);
--> statement-breakpoint
CREATE INDEX `audit_log_project` ON `audit_log` (`project_id`,`id`);--> statement-breakpoint
CREATE INDEX `audit_log_actor` ON `audit_log` (`actor_id`,`id`);--> statement-breakpoint
CREATE TABLE `builds` (
	`id` text PRIMARY KEY NOT NULL,
	`project_id` text NOT NULL,
	`user_id` text NOT NULL,
	`target` text NOT NULL,
	`status` text NOT NULL,
	`progress_permille` integer NOT NULL,
	`step` text,
	`options` text NOT NULL,
	`build_key` text NOT NULL,
	`tree_hash` text NOT NULL,
	`lock_hash` text,
	`checkpoint_id` text,
	`cached` integer NOT NULL,
	`attempt` integer NOT NULL,
	`seq` integer NOT NULL,
	`error_code` text,
	`error_message` text,
	`artifacts` text NOT NULL,
	`output_of` text,
	`timings` text NOT NULL,
	`created_at` integer NOT NULL,
	`started_at` integer,
	`completed_at` integer
);
--> statement-breakpoint
CREATE INDEX `builds_project` ON `builds` (`project_id`,`id`);--> statement-breakpoint
CREATE INDEX `builds_key` ON `builds` (`project_id`,`build_key`,`status`);--> statement-breakpoint
CREATE INDEX `builds_user` ON `builds` (`user_id`,`status`);--> statement-breakpoint
CREATE INDEX `builds_status` ON `builds` (`status`,`created_at`);--> statement-breakpoint
CREATE TABLE `collaborators` (
	`project_id` text NOT NULL,
	`user_id` text NOT NULL,
	`role` text NOT NULL,
	`added_by` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`project_id`, `user_id`)
);
--> statement-breakpoint
CREATE INDEX `collaborators_user` ON `collaborators` (`user_id`);--> statement-breakpoint
CREATE TABLE `idempotency_keys` (
	`user_id` text NOT NULL,
	`key` text NOT NULL,
	`request_hash` text NOT NULL,
	`status` integer,
	`body` text,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`user_id`, `key`)
);
--> statement-breakpoint
CREATE INDEX `idempotency_keys_created` ON `idempotency_keys` (`created_at`);--> statement-breakpoint
CREATE TABLE `invites` (
	`id` text PRIMARY KEY NOT NULL,
	`project_id` text NOT NULL,
	`hash` text NOT NULL,
	`role` text NOT NULL,
	`email` text,
	`max_uses` integer NOT NULL,
	`uses` integer NOT NULL,
	`invited_by` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`revoked_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `invites_hash` ON `invites` (`hash`);--> statement-breakpoint
CREATE INDEX `invites_project` ON `invites` (`project_id`);--> statement-breakpoint
CREATE TABLE `oauth_accounts` (
	`provider` text NOT NULL,
	`subject` text NOT NULL,
	`user_id` text NOT NULL,
	`email` text,
	`email_verified` integer NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`provider`, `subject`)
);
--> statement-breakpoint
CREATE INDEX `oauth_accounts_user` ON `oauth_accounts` (`user_id`);--> statement-breakpoint
CREATE TABLE `outbox` (
	`id` text PRIMARY KEY NOT NULL,
	`queue` text NOT NULL,
	`body` text NOT NULL,
	`created_at` integer NOT NULL,
	`claimed_until` integer NOT NULL,
	`attempts` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `outbox_claim` ON `outbox` (`claimed_until`);--> statement-breakpoint
CREATE TABLE `plugin_versions` (
	`plugin_id` text NOT NULL,
	`version` text NOT NULL,
	`manifest` text NOT NULL,
	`integrity` text NOT NULL,
	`tree_hash` text NOT NULL,
	`size` integer NOT NULL,
	`yanked_at` integer,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`plugin_id`, `version`)
);
--> statement-breakpoint
CREATE TABLE `plugins` (
	`id` text PRIMARY KEY NOT NULL,
	`slug` text NOT NULL,
	`name` text NOT NULL,
	`description` text NOT NULL,
	`keywords` text NOT NULL,
	`author_id` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `plugins_slug` ON `plugins` (`slug`);--> statement-breakpoint
CREATE TABLE `project_files` (
	`project_id` text NOT NULL,
	`path` text NOT NULL,
	`hash` text NOT NULL,
	`size` integer NOT NULL,
	`mime_type` text NOT NULL,
	`seq` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`project_id`, `path`)
);
--> statement-breakpoint
CREATE INDEX `project_files_hash` ON `project_files` (`hash`);--> statement-breakpoint
CREATE TABLE `project_plugins` (
	`project_id` text NOT NULL,
	`plugin_id` text NOT NULL,
	`version` text NOT NULL,
	`requested` text,
	`integrity` text NOT NULL,
	`installed_by` text NOT NULL,
	`installed_at` integer NOT NULL,
	PRIMARY KEY(`project_id`, `plugin_id`)
);
--> statement-breakpoint
CREATE INDEX `project_plugins_plugin` ON `project_plugins` (`plugin_id`);--> statement-breakpoint
CREATE TABLE `projects` (
	`id` text PRIMARY KEY NOT NULL,
	`owner_id` text NOT NULL,
	`name` text NOT NULL,
	`description` text NOT NULL,
	`is_public` integer NOT NULL,
	`thumbnail_url` text,
	`settings` text NOT NULL,
	`state` text NOT NULL,
	`revision` integer NOT NULL,
	`template_id` text,
	`forked_from` text,
	`forked_checkpoint` text,
	`file_count` integer NOT NULL,
	`total_size` integer NOT NULL,
	`tree_hash` text,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`deleted_at` integer
);
--> statement-breakpoint
CREATE INDEX `projects_owner` ON `projects` (`owner_id`,`deleted_at`,`updated_at`);--> statement-breakpoint
CREATE INDEX `projects_state` ON `projects` (`state`,`updated_at`);--> statement-breakpoint
CREATE INDEX `projects_deleted` ON `projects` (`deleted_at`);--> statement-breakpoint
CREATE TABLE `publications` (
	`slug` text PRIMARY KEY NOT NULL,
	`project_id` text NOT NULL,
	`build_id` text NOT NULL,
	`created_by` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `publications_project` ON `publications` (`project_id`);--> statement-breakpoint
CREATE TABLE `refresh_tokens` (
	`hash` text PRIMARY KEY NOT NULL,
	`session_id` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`used_at` integer,
	`settled_at` integer,
	`successor` text
);
--> statement-breakpoint
CREATE INDEX `refresh_tokens_session` ON `refresh_tokens` (`session_id`);--> statement-breakpoint
CREATE TABLE `sessions` (
	`id` text PRIMARY KEY NOT NULL,
	`user_id` text NOT NULL,
	`user_agent` text NOT NULL,
	`created_at` integer NOT NULL,
	`last_used_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`revoked_at` integer
);
--> statement-breakpoint
CREATE INDEX `sessions_user` ON `sessions` (`user_id`,`revoked_at`);--> statement-breakpoint
CREATE INDEX `sessions_expires` ON `sessions` (`expires_at`);--> statement-breakpoint
CREATE TABLE `templates` (
	`id` text PRIMARY KEY NOT NULL,
	`slug` text NOT NULL,
	`name` text NOT NULL,
	`description` text NOT NULL,
	`tags` text NOT NULL,
	`author` text NOT NULL,
	`author_id` text,
	`version` text NOT NULL,
	`thumbnail_hash` text,
	`tree_hash` text NOT NULL,
	`file_count` integer NOT NULL,
	`total_size` integer NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `templates_slug` ON `templates` (`slug`);--> statement-breakpoint
CREATE TABLE `uploads` (
	`id` text PRIMARY KEY NOT NULL,
	`project_id` text NOT NULL,
	`user_id` text NOT NULL,
	`name` text NOT NULL,
	`object_key` text NOT NULL,
	`multipart_id` text,
	`size` integer NOT NULL,
	`part_size` integer NOT NULL,
	`hash` text,
	`mime_type` text,
	`status` text NOT NULL,
	`asset_id` text,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `uploads_project` ON `uploads` (`project_id`);--> statement-breakpoint
CREATE INDEX `uploads_expires` ON `uploads` (`status`,`expires_at`);--> statement-breakpoint
CREATE TABLE `users` (
	`id` text PRIMARY KEY NOT NULL,
	`email` text NOT NULL,
	`username` text NOT NULL,
	`username_fold` text NOT NULL,
	`display_name` text NOT NULL,
	`avatar_url` text,
	`password_hash` text,
	`email_verified_at` integer,
	`disabled_at` integer,
	`deleted_at` integer,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `users_email` ON `users` (`email`);--> statement-breakpoint
CREATE UNIQUE INDEX `users_username` ON `users` (`username_fold`);