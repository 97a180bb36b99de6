CREATE TABLE `optimizations` (
	`id` text PRIMARY KEY NOT NULL,
	`project_id` text NOT NULL,
	`asset_id` text NOT NULL,
	`version` integer NOT NULL,
	`user_id` text NOT NULL,
	`compress_meshes` integer NOT NULL,
	`status` text NOT NULL,
	`attempt` integer NOT NULL,
	`starts` integer NOT NULL,
	`execution` text,
	`saved_bytes` integer NOT NULL,
	`error_code` text,
	`created_at` integer NOT NULL,
	`ended_at` integer,
	`due_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `optimizations_asset` ON `optimizations` (`asset_id`);--> statement-breakpoint
CREATE INDEX `optimizations_user` ON `optimizations` (`user_id`,`status`);--> statement-breakpoint
CREATE INDEX `optimizations_project` ON `optimizations` (`project_id`);--> statement-breakpoint
CREATE INDEX `optimizations_due` ON `optimizations` (`due_at`);