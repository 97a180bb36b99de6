CREATE TABLE `asset_marks` (
	`checkpoint_id` text PRIMARY KEY NOT NULL,
	`project_id` text NOT NULL,
	`state` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `asset_marks_project` ON `asset_marks` (`project_id`,`state`);--> statement-breakpoint
CREATE TABLE `asset_spans` (
	`project_id` text NOT NULL,
	`asset_id` text NOT NULL,
	`version` integer NOT NULL,
	`name` text NOT NULL,
	`first_state` integer NOT NULL,
	`end_state` integer,
	PRIMARY KEY(`asset_id`, `first_state`)
);
--> statement-breakpoint
CREATE INDEX `asset_spans_project` ON `asset_spans` (`project_id`,`end_state`);