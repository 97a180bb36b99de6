CREATE TABLE `upload_parts` (
	`upload_id` text NOT NULL,
	`number` integer NOT NULL,
	`etag` text NOT NULL,
	`size` integer NOT NULL,
	PRIMARY KEY(`upload_id`, `number`)
);
--> statement-breakpoint
DROP INDEX `assets_name`;--> statement-breakpoint
ALTER TABLE `assets` ADD `name_fold` text DEFAULT '' NOT NULL;--> statement-breakpoint
CREATE INDEX `assets_deleted` ON `assets` (`deleted_at`);--> statement-breakpoint
CREATE UNIQUE INDEX `assets_name` ON `assets` (`project_id`,`name_fold`);--> statement-breakpoint
ALTER TABLE `projects` ADD `asset_bytes` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `uploads` ADD `error_code` text;